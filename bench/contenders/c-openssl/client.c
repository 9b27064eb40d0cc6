// TLS client in C over OpenSSL: one thread, one epoll loop, source ports of its own choice. Prints "ready", waits for a
// line, opens the connections, waits until each has been greeted, prints the elapsed seconds, holds the connections
// until its standard input ends, and resets them.
// Usage: client <port> <connections> <ports per source address> <window>
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PORT = 1024, MOST = 1 << 20 };

static SSL *sessions[MOST];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/** @returns 1 once greeted, 0 while it waits, -1 after a failure */
static int go_on(SSL *session) {
  char buffer[64];
  int got = SSL_read(session, buffer, sizeof buffer);  // Completes the handshake first.
  if (got > 0) return 1;
  int reason = SSL_get_error(session, got);
  return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
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
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);

  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int ep = epoll_create1(EPOLL_CLOEXEC), one = 1, in_flight = 0, greeted = 0, failed = 0, begun = 0, tuple = 0;
  int *open_fds = malloc(wanted * sizeof *open_fds);
  static struct epoll_event events[512];
  static char buffer[512];

  printf("ready\n");
  fflush(stdout);
  if (read(0, buffer, sizeof buffer) <= 0) return 2;
  double start = now(), deadline = start + 120;

  while (greeted + failed < wanted && now() < deadline) {
    for (int batch = 0; batch < 16 && in_flight < window && begun < wanted; batch++, tuple++) {
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      struct sockaddr_in source = {.sin_family = AF_INET, .sin_port = htons(FIRST_PORT + tuple % per_source)};
      source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + tuple / per_source);
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
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
      sessions[fd] = SSL_new(context);
      SSL_set_fd(sessions[fd], fd);
      SSL_set_connect_state(sessions[fd]);
      setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
      struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
      epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
      in_flight++;
    }
    int full = in_flight >= window || begun >= wanted;
    int n = epoll_wait(ep, events, 512, full ? 1000 : 0);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (!sessions[fd]) continue;
      int state = go_on(sessions[fd]);
      if (state == 0) continue;
      if (state > 0) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
        epoll_ctl(ep, EPOLL_CTL_DEL, fd, &event);
        open_fds[greeted++] = fd;
      } else {
        failed++;
        SSL_free(sessions[fd]);
        sessions[fd] = NULL;
        close(fd);
      }
      in_flight--;
    }
  }
  printf("{\"established\":%d,\"failed\":%d,\"seconds\":%.6f}\n", greeted, failed, now() - start);
  fflush(stdout);
  while (read(0, buffer, sizeof buffer) > 0) {
  }
  struct linger reset = {.l_onoff = 1, .l_linger = 0};  // Close with RST rather than FIN, to leave no TIME_WAIT.
  for (int i = 0; i < greeted; i++) {
    setsockopt(open_fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(open_fds[i]);
  }
  return greeted == wanted ? 0 : 1;
}
