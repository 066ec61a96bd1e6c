/* A command that tells what a C library makes of the world, one line for each observation, and
 * what each function of WASI preview 1 answers that has nothing to give. tests/host/wasi_programs.rs
 * compares it with common.txt, c.txt and raw.txt, which follow from the specification.
 *
 *   zig cc -target wasm32-wasi -Os -s -Wall -Wextra -Wno-unused-result \
 *       -o c.wasm behaviour.c
 *
 * The first argument says what to do; `end` is explained beside it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_raise")))
int32_t proc_raise(int32_t signal);

extern char **environ;

static char buffer[300000];

static double now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_for(time_t seconds) {
  struct timespec pause = {seconds, 0};
  nanosleep(&pause, NULL);
}

/* --- what every language's program tells ------------------------------------------------- */

static void common(int argc, char **argv) {
  ssize_t length = read(0, buffer, 3);
  printf("stdin: first %zd bytes: %.*s\n", length, (int)length, buffer);
  printf("stdin: then byte by byte: ");
  char byte = 0;
  while (read(0, &byte, 1) == 1 && byte != '\n') putchar(byte);
  printf("\nstdin: then all there is: ");
  size_t rest = 0;
  while ((length = read(0, buffer, sizeof buffer)) > 0) {
    rest += length;
    byte = buffer[length - 1];
  }
  printf("%zu bytes, the last %02x\n", rest, byte);
  ssize_t again = read(0, buffer, 1);
  printf("stdin: past its end: %zd and %zd bytes\n", again, read(0, buffer, sizeof buffer));
  printf("args:");
  for (int at = 0; at < argc; at++) printf(" [%s]", argv[at]);
  printf("\nenviron:");
  for (char **at = environ; *at; at++) printf(" [%s]", *at);
  printf("\nenviron: HOME is %s\n", getenv("HOME") ? "there" : "missing");

  double wall = now(CLOCK_REALTIME), monotonic = now(CLOCK_MONOTONIC);
  printf("realtime: begins at %.0f s\n", wall);
  sleep_for(5);
  printf("realtime: goes on by %.0f s in a sleep of 5 s\n", now(CLOCK_REALTIME) - wall);
  printf("monotonic: goes on by %.0f s in a sleep of 5 s\n", now(CLOCK_MONOTONIC) - monotonic);
  int back = 0;
  for (int look = 0; look < 1000; look++) {
    double then = monotonic;
    monotonic = now(CLOCK_MONOTONIC);
    back += monotonic < then;
  }
  printf("monotonic: goes back %d times in 1000 looks\n", back);

  printf("random: of no bytes: %s\n", getentropy(buffer, 0) == 0 ? "no error" : "an error");
  static bool drawn[256];
  for (int piece = 0; piece < 400; piece++) {
    unsigned char bytes[250];
    getentropy(bytes, sizeof bytes);
    for (size_t at = 0; at < sizeof bytes; at++) drawn[bytes[at]] = true;
  }
  int values = 0;
  for (int value = 0; value < 256; value++) values += drawn[value];
  printf("random: %d values in 100000 bytes\n", values);
  sched_yield();
  printf("yield: comes back\n");
}

/* --- what a C library makes of it -------------------------------------------------------- */

#define TELL(what, call) do { \
    errno = 0; \
    long long result = (long long)(intptr_t)(call); \
    printf(what ": %lld, errno %d\n", result, errno); \
  } while (0)

static void library(void) {
  struct stat status;
  struct timespec time;
  TELL("open a file", open("/etc/passwd", O_RDONLY));
  TELL("open a file to write", open("new", O_WRONLY | O_CREAT, 0600));
  TELL("fopen", fopen("/etc/passwd", "r"));
  TELL("opendir", opendir("."));
  TELL("stat", stat("/", &status));
  TELL("access", access("/etc/passwd", R_OK));
  TELL("mkdir", mkdir("new", 0700));
  TELL("rename", rename("a", "b"));
  TELL("link", link("a", "b"));
  TELL("symlink", symlink("a", "b"));
  TELL("readlink", readlink("a", buffer, 9));
  TELL("unlink", unlink("a"));
  TELL("rmdir", rmdir("a"));
  TELL("accept on stdin", accept(0, NULL, NULL));
  TELL("accept on 3", accept(3, NULL, NULL));
  TELL("recv on stdin", recv(0, buffer, 9, 0));
  TELL("send on 3", send(3, buffer, 9, 0));
  TELL("shutdown on stdout", shutdown(1, SHUT_WR));

  TELL("lseek on stdin", lseek(0, 0, SEEK_SET));
  TELL("lseek on stdout", lseek(1, 0, SEEK_CUR));
  TELL("pread on stdin", pread(0, buffer, 9, 0));
  TELL("pwrite on stdout", pwrite(1, "", 1, 0));
  TELL("fsync on stdout", fsync(1));
  TELL("ftruncate on stdout", ftruncate(1, 0));
  TELL("posix_fadvise on stdin", posix_fadvise(0, 0, 0, POSIX_FADV_SEQUENTIAL));
  TELL("posix_fallocate on stdout", posix_fallocate(1, 0, 9));
  TELL("read on stdout", read(1, buffer, 9));
  TELL("write on stdin", write(0, buffer, 9));
  TELL("read on 3", read(3, buffer, 9));
  TELL("write on 3", write(3, buffer, 9));
  TELL("close on 3", close(3));
  TELL("fstat on 3", fstat(3, &status));
  TELL("isatty on stdin", isatty(0));
  TELL("isatty on stdout", isatty(1));
  TELL("isatty on stderr", isatty(2));
  TELL("flags of stdin", fcntl(0, F_GETFL) == O_RDONLY);
  TELL("flags of stdout", fcntl(1, F_GETFL) == O_WRONLY);
  TELL("set a flag", fcntl(1, F_SETFL, O_NONBLOCK));
  TELL("flags with it", fcntl(1, F_GETFL) == (O_WRONLY | O_NONBLOCK));

  struct iovec parts[3] = {{"one, ", 5}, {NULL, 0}, {"two\n", 4}};
  fflush(stdout);
  TELL("writev", writev(1, parts, 3));
  fflush(stdout);
  TELL("write of nothing", write(1, NULL, 0));

  TELL("clock_getres", clock_getres(CLOCK_MONOTONIC, &time) || time.tv_sec || !time.tv_nsec);
  time = (struct timespec){0, 1000000000};
  TELL("nanosleep of too many ns", nanosleep(&time, NULL));
  double before = now(CLOCK_MONOTONIC);
  time = (struct timespec){(time_t)before + 4, 0};
  TELL("sleep to a time", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL));
  double after = now(CLOCK_MONOTONIC);
  TELL("it has come", after >= (double)time.tv_sec && after < (double)time.tv_sec + 0.1);
  TELL("sleep to the past", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL));
  TELL("no time passed", now(CLOCK_MONOTONIC) < after + 0.1);
  TELL("getentropy of 257", getentropy(buffer, 257));

  struct pollfd wanted[3] = {{0, POLLIN, 0}, {1, POLLOUT, 0}, {7, POLLIN, 0}};
  TELL("poll", poll(wanted, 3, -1));
  TELL("poll: stdin at its end", wanted[0].revents == (POLLIN | POLLHUP));
  TELL("poll: stdout", wanted[1].revents == POLLOUT);
  TELL("poll: 7", wanted[2].revents == POLLNVAL);
  TELL("poll of nothing", poll(NULL, 0, -1));
  before = now(CLOCK_REALTIME);
  TELL("poll of nothing for 2 s", poll(NULL, 0, 2000));
  TELL("they have passed", now(CLOCK_REALTIME) - before >= 2);
}

/* --- what each function answers ---------------------------------------------------------- */

/* Of a descriptor that is not open, and of standard input and output. */
#define EACH(name, call) do { \
    int answers[3]; \
    __wasi_fd_t descriptors[3] = {3, 0, 1}; \
    for (int which = 0; which < 3; which++) { \
      __wasi_fd_t fd = descriptors[which]; \
      answers[which] = (call); \
    } \
    printf(name " %d %d %d\n", answers[0], answers[1], answers[2]); \
  } while (0)
#define ONE(name, call) printf(name " %d\n", (int)(call))

static void raw(void) {
  __wasi_fdstat_t fdstat;
  __wasi_filestat_t filestat;
  __wasi_prestat_t prestat;
  __wasi_filesize_t place;
  __wasi_size_t size;
  __wasi_fd_t opened;
  __wasi_roflags_t got;
  __wasi_timestamp_t time;
  uint8_t *bytes = (uint8_t *)buffer;
  __wasi_iovec_t in = {bytes, 9};
  __wasi_ciovec_t out = {bytes, 9};
  EACH("fd_advise", __wasi_fd_advise(fd, 0, 0, __WASI_ADVICE_NORMAL));
  EACH("fd_allocate", __wasi_fd_allocate(fd, 0, 9));
  EACH("fd_datasync", __wasi_fd_datasync(fd));
  EACH("fd_fdstat_get", __wasi_fd_fdstat_get(fd, &fdstat));
  EACH("fd_fdstat_set_flags", __wasi_fd_fdstat_set_flags(fd, 0));
  EACH("fd_fdstat_set_rights", __wasi_fd_fdstat_set_rights(fd, UINT64_MAX, 0));
  EACH("fd_filestat_get", __wasi_fd_filestat_get(fd, &filestat));
  EACH("fd_filestat_set_size", __wasi_fd_filestat_set_size(fd, 0));
  EACH("fd_filestat_set_times", __wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_ATIM));
  EACH("fd_pread", __wasi_fd_pread(fd, &in, 1, 0, &size));
  EACH("fd_prestat_get", __wasi_fd_prestat_get(fd, &prestat));
  EACH("fd_prestat_dir_name", __wasi_fd_prestat_dir_name(fd, bytes, 9));
  EACH("fd_pwrite", __wasi_fd_pwrite(fd, &out, 1, 0, &size));
  EACH("fd_readdir", __wasi_fd_readdir(fd, bytes, 99, 0, &size));
  EACH("fd_renumber", __wasi_fd_renumber(fd, 3));
  EACH("fd_seek", __wasi_fd_seek(fd, 0, __WASI_WHENCE_END, &place));
  EACH("fd_sync", __wasi_fd_sync(fd));
  EACH("fd_tell", __wasi_fd_tell(fd, &place));
  EACH("path_create_directory", __wasi_path_create_directory(fd, "a"));
  EACH("path_filestat_get", __wasi_path_filestat_get(fd, 0, "a", &filestat));
  EACH("path_filestat_set_times", __wasi_path_filestat_set_times(fd, 0, "a", 0, 0, 0));
  EACH("path_link", __wasi_path_link(fd, 0, "a", fd, "b"));
  EACH("path_open", __wasi_path_open(fd, 0, "etc/passwd", 0, __WASI_RIGHTS_FD_READ, 0, 0, &opened));
  EACH("path_open ..", __wasi_path_open(fd, 0, "../../etc/passwd", 0, 0, 0, 0, &opened));
  EACH("path_open to create", __wasi_path_open(fd, 0, "a", __WASI_OFLAGS_CREAT, 0, 0, 0, &opened));
  EACH("path_readlink", __wasi_path_readlink(fd, "a", bytes, 9, &size));
  EACH("path_remove_directory", __wasi_path_remove_directory(fd, "a"));
  EACH("path_rename", __wasi_path_rename(fd, "a", fd, "b"));
  EACH("path_symlink", __wasi_path_symlink("a", fd, "b"));
  EACH("path_unlink_file", __wasi_path_unlink_file(fd, "a"));
  EACH("sock_accept", __wasi_sock_accept(fd, 0, &opened));
  EACH("sock_recv", __wasi_sock_recv(fd, &in, 1, 0, &size, &got));
  EACH("sock_send", __wasi_sock_send(fd, &out, 1, 0, &size));
  EACH("sock_shutdown", __wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD));
  ONE("proc_raise", proc_raise(6));
  ONE("sched_yield", __wasi_sched_yield());
  for (int clock = 0; clock < 6; clock++) {
    __wasi_timestamp_t finest = 0;
    int answered = __wasi_clock_res_get(clock, &finest);
    printf("clock %d %d %d %d\n", clock, answered, finest > 0, __wasi_clock_time_get(clock, 0, &time));
  }
  ONE("random_get of nothing", __wasi_random_get(bytes, 0));
  ONE("random_get of 300000", __wasi_random_get(bytes, sizeof buffer));
  ONE("random_get outside", __wasi_random_get((uint8_t *)(uintptr_t)-16, 16));

  __wasi_event_t events[4];
  __wasi_subscription_t wanted[4] = {0};
  ONE("poll_oneoff of nothing", __wasi_poll_oneoff(wanted, events, 0, &size));
  /* Two clocks, by a span and by a time: the nearer one comes, alone. */
  __wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 0, &time);
  wanted[0].userdata = 10;
  wanted[0].u.u.clock = (__wasi_subscription_clock_t){__WASI_CLOCKID_MONOTONIC, 9000000000, 0, 0};
  wanted[1].userdata = 11;
  wanted[1].u.u.clock = (__wasi_subscription_clock_t){__WASI_CLOCKID_REALTIME, time + 2000000000, 0,
      __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME};
  ONE("poll_oneoff of clocks", __wasi_poll_oneoff(wanted, events, 2, &size));
  printf("  %zu: mark %llu, error %d, type %d\n", size, events[0].userdata, events[0].error, events[0].type);
  __wasi_timestamp_t later;
  __wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 0, &later);
  printf("  after %llu s\n", (later - time) / 1000000000);
  /* What is ready at once comes before any time; errors are those of their subscriptions. */
  wanted[0].userdata = 12;
  wanted[1] = (__wasi_subscription_t){13, {__WASI_EVENTTYPE_FD_WRITE, {.fd_write = {1}}}};
  wanted[2] = (__wasi_subscription_t){14, {__WASI_EVENTTYPE_FD_READ, {.fd_read = {0}}}};
  wanted[3] = (__wasi_subscription_t){15, {__WASI_EVENTTYPE_FD_READ, {.fd_read = {9}}}};
  ONE("poll_oneoff of descriptors", __wasi_poll_oneoff(wanted, events, 4, &size));
  for (size_t at = 0; at < size; at++)
    printf("  mark %llu, error %d, type %d\n", events[at].userdata, events[at].error, events[at].type);
  wanted[0].u.u.clock.id = 99;
  __wasi_errno_t answered = __wasi_poll_oneoff(wanted, events, 1, &size);
  printf("poll_oneoff of no clock %d\n", answered ? answered : events[0].error);

  /* Last, because the descriptors are not the same afterwards. */
  ONE("rights become fewer", __wasi_fd_fdstat_set_rights(0, 0, 0));
  ONE("then fd_read", __wasi_fd_read(0, &in, 1, &size));
  ONE("fd_close", __wasi_fd_close(0));
  ONE("fd_close again", __wasi_fd_close(0));
  fflush(stdout);
  int moved = __wasi_fd_renumber(1, 2), left = __wasi_fd_write(1, &out, 1, &size);
  /* Where 2 was is 1 now. */
  dprintf(2, "fd_renumber of 1 to 2 %d\nfd_write to 1 then %d\n", moved, left);
  _Exit(0);
}

/* --- ends and bytes ---------------------------------------------------------------------- */

/* Ends in the way and with the code that are given. */
static int end(const char *way, int code) {
  if (!strcmp(way, "return")) return code;
  if (!strcmp(way, "abort")) abort();
  if (!strcmp(way, "_Exit")) _Exit(code);
  exit(code);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "end")) return end(argv[2], atoi(argv[3]));
  if (!strcmp(what, "random")) {
    getentropy(buffer, 32);
    for (int at = 0; at < 32; at++) printf("%02hhx", buffer[at]);
    putchar('\n');
    return 0;
  }
  if (!strcmp(what, "large")) {
    /* A megabyte in one write, whatever is taken of it at once. */
    size_t size = 1 << 20, done = 0;
    char *line = malloc(size);
    memset(line, 'x', size);
    line[size - 1] = '\n';
    while (done < size) {
      ssize_t length = write(1, line + done, size - done);
      if (length < 0) return 1;
      done += length;
    }
    fprintf(stderr, "to stderr\nand more");
    return 0;
  }
  if (!strcmp(what, "raw")) raw();
  common(argc, argv);
  library();
  return 0;
}
