/* {{name}}: makes a record of each word of the member that `--param member=...` names. */

#include "host.h"
#include "member.h"

/* Called with each record, which is the text of one JSON value. Calls `emit` for each that
 * comes out in its place; if it never does, the record is dropped. */
static void expand(text record) {
    text name = param("member");
    if (!name.at) {
        /* Shown to the user, who decides what becomes of records that are rejected. */
        reject(text_of("the parameter `member` is missing (--param member=NAME)"));
        return;
    }
    text rest = string_member(record, name);
    while (rest.length) {
        text word = {rest.at, 0};
        while (word.length < rest.length && word.at[word.length] != ' ') word.length++;
        if (word.length) emit(JOIN(text_of("{\"word\":\""), word, text_of("\"}")));
        size_t passed = word.length < rest.length ? word.length + 1 : word.length;
        rest = (text){rest.at + passed, rest.length - passed};
    }
}

EXPORT_FLAT_MAP(expand)
