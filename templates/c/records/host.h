/* What lies between `host` and a plugin in C: texts, memory, parameters, the log, and the
 * functions that `host` calls. There is nothing in here to change; plugin.c is yours.
 *
 * All memory that is asked for here lasts until the record is done with, and is then freed
 * at once: nothing has to be given back. What is to last longer needs a place of your own.
 * Printing works too: what goes to stdout or stderr is logged. */

#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that do not end with a zero. `at` is NULL where there is no text at all. */
typedef struct {
    const char *at;
    size_t length;
} text;

#define NO_TEXT ((text){NULL, 0})

/* A string of C as a text. */
static inline text text_of(const char *string) {
    return (text){string, strlen(string)};
}

static inline bool same(text one, text other) {
    return one.length == other.length && memcmp(one.at, other.at, one.length) == 0;
}

/* --- memory ------------------------------------------------------------------------- */

struct host_block {
    struct host_block *next;
    _Alignas(16) char bytes[];
};

static struct host_block *host_blocks;

/* Memory for `size` bytes. There is always some: otherwise the record fails. */
static inline void *make(size_t size) {
    struct host_block *block = malloc(sizeof *block + size);
    if (!block) {
        fprintf(stderr, "there is no memory for %zu bytes more\n", size);
        abort();
    }
    block->next = host_blocks;
    host_blocks = block;
    return block->bytes;
}

static inline void host_free_all(void) {
    while (host_blocks) {
        struct host_block *block = host_blocks;
        host_blocks = block->next;
        free(block);
    }
}

/* One text of several: JOIN(text_of("a"), record, text_of("b")). */
#define JOIN(...) \
    host_join((const text[]){__VA_ARGS__}, sizeof((const text[]){__VA_ARGS__}) / sizeof(text))

static inline text host_join(const text *parts, size_t count) {
    size_t length = 0;
    for (size_t n = 0; n < count; n++) length += parts[n].length;
    char *joined = make(length);
    char *end = joined;
    for (size_t n = 0; n < count; n++) {
        if (parts[n].length) memcpy(end, parts[n].at, parts[n].length);
        end += parts[n].length;
    }
    return (text){joined, length};
}

/* --- what a plugin can ask for ------------------------------------------------------ */

#define HOST_IMPORT(interface, function) \
    __attribute__((import_module("host:plugin/" interface "@0.1.0"), import_name(function)))

HOST_IMPORT("params", "get") void host_params_get(const char *at, size_t length, void *result);
HOST_IMPORT("log", "write") void host_log_write(uint32_t level, const char *at, size_t length);

/* The value of `--param NAME=VALUE`; NO_TEXT if it was not given. */
static inline text param(const char *name) {
    struct { uint32_t given; text value; } result;
    host_params_get(name, strlen(name), &result);
    return result.given ? result.value : NO_TEXT;
}

enum level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* Logs a line, which `--plugin-log stderr` shows. */
static inline void log_line(enum level level, text line) {
    host_log_write(level, line.at, line.length);
}

/* Says why this record cannot be processed. What is answered afterwards counts for nothing. */
static inline void reject(text why);

/* Adds a record to those that come of this one (in a flat-map), or out of it all (in the
 * `finish` of a reduce). */
static inline void emit(text record);

/* --- what `host` calls -------------------------------------------------------------- */

#define HOST_EXPORT(name) __attribute__((export_name(name)))

/* `host` asks for memory for what it passes: always new, or more of what was just given. */
HOST_EXPORT("cabi_realloc")
void *host_realloc(void *old, size_t old_size, size_t align, size_t size) {
    (void)align;
    void *new = make(size);
    if (old_size) memcpy(new, old, old_size < size ? old_size : size);
    return new;
}

static text host_rejected;

static inline void reject(text why) {
    host_rejected = why.at ? why : text_of("");
}

static struct {
    text *records;
    size_t count, room;
} host_emitted;

static inline void emit(text record) {
    if (host_emitted.count == host_emitted.room) {
        size_t room = host_emitted.room ? 2 * host_emitted.room : 8;
        text *records = make(room * sizeof *records);
        if (host_emitted.count) {
            memcpy(records, host_emitted.records, host_emitted.count * sizeof *records);
        }
        host_emitted.records = records;
        host_emitted.room = room;
    }
    host_emitted.records[host_emitted.count++] = record;
}

/* Answers are read from here: whether it is an error, then its text or the value. */
static struct {
    uint32_t is_error;
    union {
        text why;
        uint32_t keep;
        text list;
        struct { uint32_t is_some; text value; } option;
    };
} host_answer;

/* Begins a call. */
static inline void host_begin(void) {
    memset(&host_answer, 0, sizeof host_answer);
    memset(&host_emitted, 0, sizeof host_emitted);
    host_rejected = NO_TEXT;
}

/* Ends it, once the answer has its value. */
static inline void *host_end(void) {
    if (host_rejected.at) {
        host_answer.is_error = 1;
        host_answer.why = host_rejected;
    }
    return &host_answer;
}

/* Called when an answer has been read. */
#define HOST_AFTER(name) \
    HOST_EXPORT("cabi_post_" name) void HOST_NAME(__COUNTER__)(void *answer) { \
        (void)answer; \
        host_free_all(); \
    }
#define HOST_NAME(number) HOST_NAME_OF(number)
#define HOST_NAME_OF(number) host_after_##number

/* bool keep(text record): whether the record stays. */
#define EXPORT_FILTER(keep) \
    HOST_EXPORT("keep") void *host_keep(const char *at, size_t length) { \
        host_begin(); \
        host_answer.keep = keep((text){at, length}); \
        return host_end(); \
    } \
    HOST_AFTER("keep")

/* text apply(text record): what stands in its place; NO_TEXT drops the record. */
#define EXPORT_MAP(apply) \
    HOST_EXPORT("apply") void *host_apply(const char *at, size_t length) { \
        host_begin(); \
        text made = apply((text){at, length}); \
        host_answer.option.is_some = made.at != NULL; \
        host_answer.option.value = made; \
        return host_end(); \
    } \
    HOST_AFTER("apply")

/* void expand(text record): calls `emit` for each record that comes of this one. */
#define EXPORT_FLAT_MAP(expand) \
    HOST_EXPORT("expand") void *host_expand(const char *at, size_t length) { \
        host_begin(); \
        expand((text){at, length}); \
        host_answer.list = (text){(const char *)host_emitted.records, host_emitted.count}; \
        return host_end(); \
    } \
    HOST_AFTER("expand")

/* void add(text record): folds a record into the state.
 * text take(void): gives the state, as bytes, and begins an empty one.
 * text merge(text left, text right): one state of two; `left` is of earlier records.
 * void finish(text state): calls `emit` for each record that is to come out. */
#define EXPORT_REDUCE(add, take, merge, finish) \
    HOST_EXPORT("add") void *host_add(const char *at, size_t length) { \
        host_begin(); \
        add((text){at, length}); \
        return host_end(); \
    } \
    HOST_AFTER("add") \
    HOST_EXPORT("take") void *host_take(void) { \
        static text state; \
        state = take(); \
        return &state; \
    } \
    HOST_AFTER("take") \
    HOST_EXPORT("merge") \
    void *host_merge(const char *left, size_t left_length, const char *right, size_t right_length) { \
        host_begin(); \
        host_answer.list = merge((text){left, left_length}, (text){right, right_length}); \
        return host_end(); \
    } \
    HOST_AFTER("merge") \
    HOST_EXPORT("finish") void *host_finish(const char *at, size_t length) { \
        host_begin(); \
        finish((text){at, length}); \
        host_answer.list = (text){(const char *)host_emitted.records, host_emitted.count}; \
        return host_end(); \
    } \
    HOST_AFTER("finish")

#endif
