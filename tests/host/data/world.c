/* A map that tells in its answer what it sees of the world through WASI, prints, and with a
 * record that begins with `x` exits:
 *
 *   zig cc -target wasm32-wasi -mexec-model=reactor -Os -s -o world.wasm world.c
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) { return realloc(old, size); }

static uint32_t answer[4];
static char text[4096];

__attribute__((export_name("apply")))
uint32_t *apply(const char *record, size_t length) {
  printf("record of %zu bytes\n", length);
  fprintf(stderr, "to stderr, no newline");
  struct timespec wall, before, after, pause = {5, 0};
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&pause, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  unsigned char drawn[8];
  getentropy(drawn, sizeof drawn);
  errno = 0; FILE *file = fopen("/etc/passwd", "r"); int opening = errno;
  char byte; ssize_t in = read(0, &byte, 1);
  errno = 0; lseek(1, 0, SEEK_CUR); int seeking = errno;
  int yielded = sched_yield();
  struct pollfd fds[1] = {{0, POLLIN, 0}};
  int polled = poll(fds, 1, 1000);
  snprintf(text, sizeof text, "{\"wall\":%lld,\"slept\":%lld,\"random\":\"%02x%02x%02x%02x\",\"file\":%d,\"opening\":%d,\"stdin\":%zd,\"seek\":%d,\"env\":%d,\"yield\":%d,\"poll\":%d,\"tty\":%d}",
    (long long)wall.tv_sec, (long long)(after.tv_sec - before.tv_sec), drawn[0], drawn[1], drawn[2], drawn[3], file != NULL, opening, in, seeking, getenv("HOME") != NULL, yielded, polled, isatty(1));
  ((uint8_t *)answer)[0] = 0; ((uint8_t *)answer)[4] = 1;
  answer[2] = (uint32_t)(uintptr_t)text; answer[3] = strlen(text);
  if (length > 3 && record[0] == 'x') exit(3);
  return answer;
}
