/* A filter that traps two calls deep on a record with a `!`, built with debug information:
 *
 *   clang --target=wasm32 -g -O1 -nostdlib -Wl,--no-entry -Wl,--export=keep \
 *     -Wl,--export=cabi_realloc -fdebug-prefix-map=$PWD=. -o deep.wasm deep.c
 */
__attribute__((aligned(16))) static char memory[1 << 16];
static struct { char is_error, pad[3], keep, rest[7]; } answer;

void *cabi_realloc(void *old, unsigned had, unsigned align, unsigned size) {
    return size <= sizeof memory ? memory : 0;
}

__attribute__((noinline)) static void inner(const char *byte) {
    if (*byte == '!') __builtin_trap();
}

__attribute__((noinline)) static void look_at_each(const char *record, unsigned length) {
    for (unsigned at = 0; at < length; at++) inner(record + at);
}

void *keep(const char *record, unsigned length) {
    look_at_each(record, length);
    answer.is_error = 0;
    answer.keep = 1;
    return &answer;
}
