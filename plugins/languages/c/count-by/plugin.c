/* Counts records by the value at a path, or at several: --param by=type or by=type,repo.name:repo.
 * A record for each value comes out, in the order of their JSON: {"type":"PushEvent","count":190}.
 * A member that is not there counts as null. */

#include <inttypes.h>

#include "host.h"
#include "members.h"

/* How often a key was met: the members that are counted by, as they stand in an object. */
struct entry {
    text key;
    uint64_t count;
};

/* The records are shared out among several instances of this plugin. Each counts for itself, in a
 * table of its own, and `host` merges what they have counted. An entry lies at the place that its
 * key's hash names, or at the next one that is free; at most half of them are taken. */
static struct {
    struct entry *entries;
    size_t room, count;
} table;

static struct entry *place_of(text key) {
    uint32_t hash = 2166136261u;
    for (size_t n = 0; n < key.length; n++) hash = (hash ^ (unsigned char)key.at[n]) * 16777619u;
    size_t place = hash & (table.room - 1);
    while (table.entries[place].key.at && !same(table.entries[place].key, key)) {
        place = (place + 1) & (table.room - 1);
    }
    return &table.entries[place];
}

static void no_memory(void) {
    fprintf(stderr, "there is no memory for more keys\n");
    abort();
}

static void grow(void) {
    struct entry *old = table.entries;
    size_t room = table.room;
    table.room = room ? 2 * room : 64;
    table.entries = calloc(table.room, sizeof *old);
    if (!table.entries) no_memory();
    for (size_t n = 0; n < room; n++) {
        if (old[n].key.at) *place_of(old[n].key) = old[n];
    }
    free(old);
}

static void count(text key) {
    if (2 * table.count >= table.room) grow();
    struct entry *entry = place_of(key);
    if (!entry->key.at) {
        /* It lasts longer than this record. */
        char *copy = malloc(key.length);
        if (!copy) no_memory();
        entry->key = (text){memcpy(copy, key.at, key.length), key.length};
        table.count++;
    }
    entry->count++;
}

static const struct fields *keys(void) {
    const struct fields *fields = fields_of("by", "the parameter `by` is missing (--param by=type)");
    for (size_t n = 0; fields && n < fields->count; n++) {
        if (!same(fields->all[n].name, text_of("count"))) continue;
        reject(text_of("a member called `count` needs another name: --param by=count:of"));
        return NULL;
    }
    return fields;
}

/* Called with each record, which is the text of one JSON value. */
static void add(text record) {
    const struct fields *fields = keys();
    const text *found = fields ? find(record, fields) : NULL;
    if (!found) return;
    text *parts = make(4 * fields->count * sizeof *parts);
    size_t used = 0;
    for (size_t n = 0; n < fields->count; n++) {
        parts[used++] = text_of(n ? ",\"" : "\"");
        parts[used++] = fields->all[n].name;
        parts[used++] = text_of("\":");
        parts[used++] = found[n].at ? compact(found[n]) : text_of("null");
    }
    count(host_join(parts, used));
}

/* --- the state: a line that says what is counted by, then one for each key, in order ------- */

static text label(void) {
    text by = param("by");
    return JOIN(text_of("count-by "), by.at ? by : text_of(""), text_of("\n"));
}

static int by_key(const void *one, const void *other) {
    text left = ((const struct entry *)one)->key, right = ((const struct entry *)other)->key;
    int order = memcmp(left.at, right.at, left.length < right.length ? left.length : right.length);
    return order ? order : (left.length > right.length) - (left.length < right.length);
}

static void append(text *state, text part) {
    memcpy((char *)state->at + state->length, part.at, part.length);
    state->length += part.length;
}

static void append_entry(text *state, struct entry entry) {
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64 " ", entry.count);
    append(state, text_of(number));
    append(state, entry.key);
    append(state, text_of("\n"));
}

/* Gives the state of the records so far. The next `add` is the first again. */
static text take(void) {
    size_t count = 0, size = 0;
    for (size_t n = 0; n < table.room; n++) {
        if (!table.entries[n].key.at) continue;
        size += table.entries[n].key.length + 24;
        table.entries[count++] = table.entries[n];
    }
    if (count) qsort(table.entries, count, sizeof *table.entries, by_key);
    text first = label(), state = {make(first.length + size), 0};
    append(&state, first);
    for (size_t n = 0; n < count; n++) {
        append_entry(&state, table.entries[n]);
        free((char *)table.entries[n].key.at);
    }
    free(table.entries);
    memset(&table, 0, sizeof table);
    return state;
}

/* Takes the label off a state. */
static bool begin(text *state) {
    text first = label();
    if (state->length < first.length || memcmp(state->at, first.at, first.length) != 0) {
        reject(text_of("a state is none of this plugin with this parameter `by`"));
        return false;
    }
    *state = (text){state->at + first.length, state->length - first.length};
    return true;
}

/* Takes the next entry off a state; false at its end. What is behind a damaged one is not read. */
static bool next(text *state, struct entry *entry) {
    if (!state->length) return false;
    text key = cut(state, '\n'), number = cut(&key, ' ');
    *entry = (struct entry){key, 0};
    for (size_t n = 0; n < number.length; n++) entry->count = 10 * entry->count + number.at[n] - '0';
    if (key.at) return true;
    reject(text_of("the state is damaged"));
    return false;
}

/* Makes one state of two. */
static text merge(text left, text right) {
    text merged = {make(left.length + right.length), 0};
    if (!begin(&left) || !begin(&right)) return NO_TEXT;
    append(&merged, label());
    struct entry one, other;
    bool more = next(&left, &one), others = next(&right, &other);
    while (more || others) {
        int order = !more ? 1 : !others ? -1 : by_key(&one, &other);
        struct entry entry = order <= 0 ? one : other;
        if (order == 0) entry.count += other.count;
        append_entry(&merged, entry);
        if (order <= 0) more = next(&left, &one);
        if (order >= 0) others = next(&right, &other);
    }
    return merged;
}

/* Called once, with the state of all records: what comes out. */
static void finish(text state) {
    if (!keys() || !begin(&state)) return;
    struct entry entry;
    while (next(&state, &entry)) {
        char number[40];
        snprintf(number, sizeof number, ",\"count\":%" PRIu64 "}", entry.count);
        emit(JOIN(text_of("{"), entry.key, text_of(number)));
    }
}

EXPORT_REDUCE(add, take, merge, finish)
