/* Picks members and renames them: --param fields=id,actor.login:user. Values pass as they are
 * written, and a member that is not there is left out. */

#include "host.h"
#include "members.h"

/* Called with each record, which is the text of one JSON value. What it returns comes out in
 * its place. */
static text apply(text record) {
    const struct fields *fields =
        fields_of("fields", "the parameter `fields` is missing (--param fields=id,actor.login:user)");
    const text *found = fields ? find(record, fields) : NULL;
    if (!found) return NO_TEXT;
    text *parts = make((4 * fields->count + 1) * sizeof *parts);
    size_t count = 0;
    const char *before = "{\"";
    for (size_t n = 0; n < fields->count; n++) {
        if (!found[n].at) continue;
        parts[count++] = text_of(before);
        parts[count++] = fields->all[n].name;
        parts[count++] = text_of("\":");
        parts[count++] = found[n];
        before = ",\"";
    }
    parts[count] = text_of(count ? "}" : "{}");
    count++;
    return host_join(parts, count);
}

EXPORT_MAP(apply)
