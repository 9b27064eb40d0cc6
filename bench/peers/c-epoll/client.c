// The floor of the comparison: one thread, one epoll loop, raw sockets, source ports of its own
// choice. It opens the connections, waits until each has been greeted, prints the seconds that
// took, and holds them until its standard input ends.
// Usage: client <port> <connections> <ports per source address> <window>
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PORT = 1024 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: client <port> <connections> <ports per source address> <window>\n");
    return 2;
  }
  int port = atoi(argv[1]), wanted = atoi(argv[2]), per_source = atoi(argv[3]), window = atoi(argv[4]);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int ep = epoll_create1(EPOLL_CLOEXEC), one = 1, in_flight = 0, greeted = 0, failed = 0, next = 0;
  static struct epoll_event events[512];
  static char buffer[512];
  double start = now(), deadline = start + 120;

  while (greeted + failed < wanted && now() < deadline) {
    for (int batch = 0; batch < 64 && in_flight < window && next < wanted; batch++, next++) {
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      struct sockaddr_in source = {.sin_family = AF_INET, .sin_port = htons(FIRST_PORT + next % per_source)};
      source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + next / per_source);
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
      if (fd < 0 || bind(fd, (struct sockaddr *)&source, sizeof source) ||
          (connect(fd, (struct sockaddr *)&peer, sizeof peer) && errno != EINPROGRESS)) {
        if (fd >= 0) close(fd);
        failed++;
        continue;
      }
      struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
      epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
      in_flight++;
    }
    int full = in_flight >= window || next >= wanted;
    int n = epoll_wait(ep, events, 512, full ? 1000 : 0);
    for (int i = 0; i < n; i++) {
      if (!(events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))) continue;
      if (recv(events[i].data.fd, buffer, sizeof buffer, 0) > 0) {
        greeted++;
      } else {
        failed++;
        close(events[i].data.fd);
      }
      in_flight--;
    }
  }
  printf("{\"established\":%d,\"failed\":%d,\"seconds\":%.6f}\n", greeted, failed, now() - start);
  fflush(stdout);
  while (read(0, buffer, sizeof buffer) > 0) {
  }
  return greeted == wanted ? 0 : 1;
}
