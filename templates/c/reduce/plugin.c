/* {{name}}: counts the records, and those whose member "type" is what `--param type=...`
 * says. */

#include <inttypes.h>

#include "host.h"
#include "member.h"

/* The records are shared out among several instances of this plugin. Each has a state of its
 * own, and `host` merges them, in the order of the input. */
struct state {
    uint64_t records, matching;
};

static struct state own;

/* Called with each record, which is the text of one JSON value. */
static void add(text record) {
    text wanted = param("type");
    if (!wanted.at) {
        /* Shown to the user, who decides what becomes of records that are rejected. */
        reject(text_of("the parameter `type` is missing (--param type=VALUE)"));
        return;
    }
    text found = string_member(record, text_of("type"));
    own.records += 1;
    own.matching += found.at && same(found, wanted);
}

/* A state as bytes, in memory that lasts until they are read. */
static text bytes_of(struct state state) {
    return (text){memcpy(make(sizeof state), &state, sizeof state), sizeof state};
}

/* The state that bytes hold; of other bytes than ours none. */
static bool read_state(text bytes, struct state *state) {
    if (bytes.length != sizeof *state) {
        reject(text_of("the state is none of this plugin"));
        return false;
    }
    memcpy(state, bytes.at, sizeof *state);
    return true;
}

/* Gives the state of the records so far. The next `add` is the first again. */
static text take(void) {
    struct state taken = own;
    own = (struct state){0};
    return bytes_of(taken);
}

/* Makes one state of two. */
static text merge(text left_bytes, text right_bytes) {
    struct state left, right;
    if (!read_state(left_bytes, &left) || !read_state(right_bytes, &right)) return NO_TEXT;
    left.records += right.records;
    left.matching += right.matching;
    return bytes_of(left);
}

/* Called once, with the state of all records: what comes out. */
static void finish(text bytes) {
    struct state all;
    if (!read_state(bytes, &all)) return;
    char *line = make(100);
    snprintf(line, 100, "{\"records\":%" PRIu64 ",\"matching\":%" PRIu64 "}", all.records, all.matching);
    emit(text_of(line));
}

EXPORT_REDUCE(add, take, merge, finish)
