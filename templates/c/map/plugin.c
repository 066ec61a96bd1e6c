/* {{name}}: appends a member "source" with the value of `--param source=...`. */

#include "host.h"

/* Called with each record, which is the text of one JSON value. What it returns comes out in
 * its place; NO_TEXT would drop the record. */
static text apply(text record) {
    text source = param("source");
    if (!source.at) {
        /* Shown to the user, who decides what becomes of records that are rejected. */
        reject(text_of("the parameter `source` is missing (--param source=VALUE)"));
        return NO_TEXT;
    }
    /* It goes between quotes as it is. */
    for (size_t n = 0; n < source.length; n++) {
        unsigned char byte = source.at[n];
        if (byte == '"' || byte == '\\' || byte < ' ') {
            reject(text_of("the parameter `source` would have to be escaped"));
            return NO_TEXT;
        }
    }
    /* A record has no space around it. */
    if (record.length < 2 || record.at[0] != '{' || record.at[record.length - 1] != '}') {
        reject(text_of("the record is not a JSON object"));
        return NO_TEXT;
    }
    text before = {record.at, record.length - 1};
    while (strchr(" \t\r\n", before.at[before.length - 1])) before.length--;
    bool empty = before.length == 1;
    return JOIN(before, text_of(empty ? "" : ","), text_of("\"source\":\""), source, text_of("\"}"));
}

EXPORT_MAP(apply)
