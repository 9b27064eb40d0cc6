// Runs a command and writes its total cost, including its children, to descriptor 3: elapsed seconds, user and system
// CPU time, and the largest resident set of a process. It is more precise than GNU time, whose resolution is 10 ms.
// Usage: measure <program> [argument]... 3>file
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  double start = now();
  pid_t child = vfork();
  if (child == 0) {
    close(3);
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  int status;
  struct rusage used;
  if (child < 0 || wait4(child, &status, 0, &used) < 0) return 1;
  dprintf(3, "{\"seconds\":%.6f,\"userSeconds\":%.6f,\"systemSeconds\":%.6f,\"peakBytes\":%ld}\n", now() - start,
          seconds(used.ru_utime), seconds(used.ru_stime), used.ru_maxrss * 1024);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
