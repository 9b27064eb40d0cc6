// Lower bound of the comparison: one thread, one epoll loop, raw sockets. Accepts, greets with "hello", waits for the
// end of each connection, and closes it when the peer has closed. GREETING in its environment replaces the greeting,
// for clients that expect an answer in their protocol.
// Usage: server <port>. Prints "listening", and stops on SIGTERM.
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
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: server <port>\n");
    return 2;
  }
  const char *greeting = getenv("GREETING") ? getenv("GREETING") : "hello";
  ssize_t length = strlen(greeting);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
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
      if (events[i].data.fd == listener) {
        for (int batch = 0; batch < 64; batch++) {
          int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
          if (fd < 0) break;
          event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
          event.data.fd = fd;
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
          if (send(fd, greeting, length, MSG_NOSIGNAL) != length) close(fd);
        }
      } else if (recv(events[i].data.fd, buffer, sizeof buffer, 0) <= 0) {
        close(events[i].data.fd);
      }
    }
  }
}
