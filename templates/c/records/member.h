/* Finds a member of a JSON object without reading the rest of it. What records hold beyond that
 * is for a JSON library in C, which would be compiled along in build.sh. */

#ifndef MEMBER_H
#define MEMBER_H

#include "host.h"

/* The text between the quotes of the first member of this name, if that is a string, as it is
 * written there: with its escapes. NO_TEXT if there is none. Members of inner objects are
 * others. */
static text string_member(text record, text name) {
    const char *end = record.at + record.length;
    int depth = 0;
    /* Whether what comes next is the member's value. */
    bool named = false;
    for (const char *at = record.at; at < end; at++) {
        switch (*at) {
        case '{':
        case '[':
            depth++;
            named = false;
            break;
        case '}':
        case ']':
            depth--;
            break;
        case ',':
            named = false;
            break;
        case '"': {
            const char *first = ++at;
            while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
            if (at >= end) return NO_TEXT;
            text string = {first, at - first};
            if (depth != 1) break;
            if (named) return string;
            const char *next = at + 1;
            while (next < end && strchr(" \t\r\n", *next)) next++;
            named = next < end && *next == ':' && same(string, name);
            break;
        }
        }
    }
    return NO_TEXT;
}

#endif
