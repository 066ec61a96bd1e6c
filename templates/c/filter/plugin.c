/* {{name}}: keeps the records whose member "type" is what `--param type=...` says. */

#include "host.h"
#include "member.h"

/* Called with each record, which is the text of one JSON value. True keeps it. */
static bool keep(text record) {
    text wanted = param("type");
    if (!wanted.at) {
        /* Shown to the user, who decides what becomes of records that are rejected. */
        reject(text_of("the parameter `type` is missing (--param type=VALUE)"));
        return false;
    }
    text found = string_member(record, text_of("type"));
    return found.at && same(found, wanted);
}

EXPORT_FILTER(keep)
