// Lower bound of the churn: one thread, one epoll loop, raw sockets, and source ports of its own choice. Prints
// "ready", waits for a line, opens connections one after the other up to a fixed number at a time, resets each one once
// it is greeted, prints a line of JSON, and exits.
// Usage: churn-client <port> <connections> <open at a time>
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_SOURCE = 0x7f060001, FIRST_PORT = 1024, PORTS = 64512, DEADLINE_SECONDS = 60 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: churn-client <port> <connections> <at once>\n");
    return 2;
  }
  int wanted = atoi(argv[2]), at_once = atoi(argv[3]), ep = epoll_create1(EPOLL_CLOEXEC), one = 1;
  struct linger reset = {.l_onoff = 1, .l_linger = 0};  // Close with RST rather than FIN, to leave no TIME_WAIT.
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  struct sockaddr_in source = {.sin_family = AF_INET};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  static struct epoll_event events[512];
  static char buffer[512];

  printf("ready\n");
  fflush(stdout);
  if (read(0, buffer, sizeof buffer) <= 0) return 2;
  double start = now(), deadline = start + DEADLINE_SECONDS;
  int begun = 0, in_flight = 0, greeted = 0, failed = 0;
  for (long tuple = 0; greeted + failed < wanted && now() < deadline;) {
    for (int batch = 0; batch < 64 && in_flight < at_once && begun < wanted; batch++, tuple++) {
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      source.sin_port = htons(FIRST_PORT + tuple % PORTS);
      source.sin_addr.s_addr = htonl(FIRST_SOURCE + tuple / PORTS);
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      int bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&source, sizeof source);
      if (fd >= 0 && bound && errno == EADDRINUSE) {
        close(fd);  // The port is in use, for example by a local service. Try the next tuple.
        continue;
      }
      begun++;
      if (bound || (connect(fd, (struct sockaddr *)&peer, sizeof peer) && errno != EINPROGRESS)) {
        if (fd >= 0) close(fd);
        failed++;
        continue;
      }
      struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
      epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
      in_flight++;
    }
    int n = epoll_wait(ep, events, 512, in_flight >= at_once || begun >= wanted ? 1000 : 0);
    for (int i = 0; i < n; i++, in_flight--) {
      if (recv(events[i].data.fd, buffer, sizeof buffer, 0) > 0) greeted++;
      else failed++;
      close(events[i].data.fd);
    }
  }
  printf("{\"greeted\":%d,\"failed\":%d,\"seconds\":%.6f}\n", greeted, failed, now() - start);
  return greeted == wanted ? 0 : 1;
}
