// Lower bound of the message workload: an echo server with one thread, one epoll loop and raw sockets.
// Usage: echo-server <port>. Prints "listening", and stops on SIGTERM.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: echo-server <port>\n");
    return 2;
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  // Accepted sockets inherit this option.
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
  if (listen(listener, 65535)) die("listen");

  int ep = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, listener, &event)) die("epoll_ctl");
  printf("listening\n");
  fflush(stdout);

  static struct epoll_event events[512];
  static char buffer[65536];
  for (;;) {
    int n = epoll_wait(ep, events, 512, -1);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
          event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
          event.data.fd = fd;
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
        }
        continue;
      }
      ssize_t got = recv(fd, buffer, sizeof buffer, 0);
      // Answers are much smaller than the socket buffer, so one that does not fit is an error.
      if (got == 0 || (got < 0 && errno != EAGAIN) || (got > 0 && send(fd, buffer, got, MSG_NOSIGNAL) != got)) close(fd);
    }
  }
}
