/* Keeps the records whose value at a path is the wanted one: --param path=actor.login --param
 * is=ann. A string is compared by what stands between its quotes, anything else by its JSON. */

#include "host.h"
#include "members.h"

/* Called with each record, which is the text of one JSON value. True keeps it. */
static bool keep(text record) {
    const struct fields *fields = fields_of("path", "the parameter `path` is missing (--param path=actor.login)");
    if (!fields) return false;
    text wanted = param("is");
    if (!wanted.at || fields->count != 1) {
        reject(text_of("one path and one value are wanted: --param path=actor.login --param is=ann"));
        return false;
    }
    const text *found = find(record, fields);
    if (!found || !found->at) return false;
    if (found->at[0] == '"') return same((text){found->at + 1, found->length - 2}, wanted);
    return same(compact(*found), wanted);
}

EXPORT_FILTER(keep)
