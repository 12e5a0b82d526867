/*
 * A disk made slow, as LD_PRELOAD: fsync and fdatasync take SLOW_FSYNC_MS milliseconds longer. How often that was is
 * written to the file SLOW_FSYNC_COUNT after each, so that a run can prove that it met the slow disk.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static atomic_int count;

static void delay(void) {
  const char *ms = getenv("SLOW_FSYNC_MS"), *path = getenv("SLOW_FSYNC_COUNT");
  long left = ms == NULL ? 0 : atol(ms);
  struct timespec pause = {left / 1000, left % 1000 * 1000000};
  while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
  }
  int now = ++count;
  FILE *file = path == NULL ? NULL : fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "%d\n", now);
  fclose(file);
}

int fsync(int fd) {
  delay();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
  delay();
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
