/* Members of JSON objects, found by path and taken as they are written: values, and names too.
 * Only the structure of a record is followed; whether a number is one is not looked at. */

#ifndef MEMBERS_H
#define MEMBERS_H

#include "host.h"

/* A member that is wanted: the steps to it behind the first with dots between (no place if there
 * are none), and what it is called then. */
struct field {
    text rest, name;
};

struct fields {
    struct field *all;
    /* The first step to each. */
    text *first;
    size_t count;
};

/* The part of a text before the first of these letters, which is cut off the text together with
 * it. Where there is none that is all, and the rest has no place. */
static inline text cut(text *rest, char letter) {
    const char *at = memchr(rest->at, letter, rest->length);
    size_t length = at ? (size_t)(at - rest->at) : rest->length;
    text part = {rest->at, length};
    *rest = at ? (text){at + 1, rest->length - length - 1} : NO_TEXT;
    return part;
}

/* Reads a path like `actor.login` or `actor.login:user`. */
static inline bool read_field(text part, text *first, struct field *field) {
    text name = part, steps = cut(&name, ':');
    bool is_path = !name.at || (name.length && !memchr(name.at, ':', name.length));
    text step = *first = cut(&steps, '.');
    field->rest = steps;
    while (step.length && steps.at) step = cut(&steps, '.');
    /* Without a name of its own it is called like the last step. */
    field->name = name.at ? name : step;
    return is_path && step.length;
}

/* Reads a parameter that has such paths, with commas between, once and for all. If it is missing
 * or wrong the record is rejected, and there are none. */
static inline const struct fields *fields_of(const char *parameter, const char *if_missing) {
    static struct fields fields;
    if (fields.count) return &fields;
    text given = param(parameter);
    if (!given.at) {
        reject(text_of(if_missing));
        return NULL;
    }
    /* It lasts longer than this record. */
    text rest = {memcpy(malloc(given.length + 1), given.at, given.length), given.length};
    fields.all = calloc(given.length + 1, sizeof *fields.all);
    fields.first = calloc(given.length + 1, sizeof *fields.first);
    size_t count = 0;
    while (rest.at) {
        text part = cut(&rest, ',');
        struct field *field = &fields.all[count];
        if (!read_field(part, &fields.first[count], field)) {
            reject(JOIN(text_of("`"), part, text_of("` is no path like `actor.login` or `actor.login:user`")));
            return NULL;
        }
        for (size_t n = 0; n < count; n++) {
            if (same(fields.all[n].name, field->name)) {
                reject(JOIN(text_of("two fields are called `"), field->name, text_of("`")));
                return NULL;
            }
        }
        count++;
    }
    fields.count = count;
    return &fields;
}

static inline bool is_space(char letter) {
    return letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
}

static inline const char *past_space(const char *at, const char *end) {
    while (at < end && is_space(*at)) at++;
    return at;
}

/* Where the string ends that has begun before; NULL if it does not. */
static inline const char *past_string(const char *at, const char *end) {
    for (; at < end; at++) {
        if (*at == '"') return at + 1;
        if ((unsigned char)*at < ' ') return NULL;
        if (*at == '\\') at++;
    }
    return NULL;
}

/* Where the value ends that begins here; NULL if it does not. */
static inline const char *past_value(const char *at, const char *end) {
    const char *first = at;
    int depth = 0;
    while (at < end) {
        switch (*at++) {
        case '"':
            at = past_string(at, end);
            if (!at) return NULL;
            break;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            break;
        default:
            if (depth) continue;
            while (at < end && !is_space(*at) && !memchr(",:]}", *at, 4)) at++;
        }
        if (depth <= 0) return depth == 0 && at > first ? at : NULL;
    }
    return NULL;
}

/* Finds the values of an object's members of these names in one pass over it; of two members with
 * one name the last, of none NO_TEXT. False if this is no object. */
static inline bool look(text object, const text *names, size_t count, text *found) {
    const char *at = object.at, *end = at + object.length;
    for (size_t n = 0; n < count; n++) found[n] = NO_TEXT;
    if (at == end || *at++ != '{') return false;
    at = past_space(at, end);
    bool empty = at < end && *at == '}';
    while (!empty) {
        if (at == end || *at != '"') return false;
        const char *quote = at;
        if (!(at = past_string(at + 1, end))) return false;
        text called = {quote + 1, at - quote - 2};
        at = past_space(at, end);
        if (at == end || *at != ':') return false;
        const char *first = past_space(at + 1, end);
        if (!(at = past_value(first, end))) return false;
        for (size_t n = 0; n < count; n++) {
            if (same(called, names[n])) found[n] = (text){first, at - first};
        }
        at = past_space(at, end);
        if (at == end) return false;
        if (*at == '}') break;
        if (*at != ',') return false;
        at = past_space(at + 1, end);
    }
    return at + 1 == end;
}

/* Finds the values in a record: one for each field, NO_TEXT where there is none. What is no JSON
 * object is rejected, and has none. */
static inline const text *find(text record, const struct fields *fields) {
    text *found = make(fields->count * sizeof *found);
    if (!look(record, fields->first, fields->count, found)) {
        reject(text_of("the record is not a JSON object"));
        return NULL;
    }
    for (size_t n = 0; n < fields->count; n++) {
        for (text steps = fields->all[n].rest; steps.at && found[n].at;) {
            text name = cut(&steps, '.'), object = found[n];
            /* What is no object has no members. */
            if (!look(object, &name, 1, &found[n])) found[n] = NO_TEXT;
        }
    }
    return found;
}

/* A value without the white space between its tokens. */
static inline text compact(text value) {
    char *made = make(value.length);
    size_t length = 0;
    bool in_string = false;
    for (size_t n = 0; n < value.length; n++) {
        char letter = value.at[n];
        if (!in_string && is_space(letter)) continue;
        made[length++] = letter;
        if (letter == '"') in_string = !in_string;
        if (letter == '\\' && n + 1 < value.length) made[length++] = value.at[++n];
    }
    return (text){made, length};
}

#endif
