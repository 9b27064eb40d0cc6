// Lower bound of the message workload: one thread, one epoll loop, raw sockets. Opens the connections, prints "ready"
// and reads lines "<messages per second> <warm-up ms> <measured ms>". Message i is due at start + i / rate on
// connection i % connections, and its latency is measured from then, however late it was sent. Prints "measuring" after
// the warm-up, and a line of JSON about the answers in the measured time. Resets the connections when its input ends.
// Usage: echo-client <port> <connections> <bytes per message>
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PORT = 1024, WINDOW = 1024, SEND_AT_ONCE = 64, DRAIN_SECONDS = 2 };

typedef struct {
  int fd;
  long awaited, oldest, received;  // Number of unanswered messages, the oldest one, and the bytes received of its answer.
} connection_t;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}

// Nearest rank, in microseconds; samples are nanoseconds.
static double percentile(const uint32_t *sorted, long count, double share) {
  long rank = (long)(share * count);
  return count == 0 ? 0 : sorted[rank < count ? rank : count - 1] / 1e3;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: echo-client <port> <connections> <bytes per message>\n");
    return 2;
  }
  int wanted = atoi(argv[2]), size = atoi(argv[3]), one = 1;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  prctl(PR_SET_TIMERSLACK, 1);  // End waits on time rather than up to 50 us later.

  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  struct sockaddr_in source = {.sin_family = AF_INET};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  source.sin_addr.s_addr = inet_addr("127.5.0.1");  // Not used by other programs, so all its ports are free.
  int ep = epoll_create1(EPOLL_CLOEXEC), begun = 0, open = 0, port = FIRST_PORT;
  connection_t *all = calloc(wanted, sizeof *all);
  static struct epoll_event events[512];
  static char buffer[65536], line[256], message[65536];
  memset(message, 'm', sizeof message);

  while (open < wanted) {
    while (begun < wanted && begun - open < WINDOW) {
      int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      source.sin_port = htons(port++);
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      if (fd >= 0 && bind(fd, (struct sockaddr *)&source, sizeof source) && errno == EADDRINUSE && port < 65535) {
        close(fd);
        continue;
      }
      struct epoll_event event = {.events = EPOLLOUT, .data.u32 = begun};
      if (fd < 0 || (connect(fd, (struct sockaddr *)&peer, sizeof peer) && errno != EINPROGRESS) ||
          epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event)) {
        perror("open");
        return 1;
      }
      all[begun++].fd = fd;
    }
    int n = epoll_wait(ep, events, 512, 10000);
    if (n <= 0) return 1;
    for (int i = 0; i < n; i++, open++) {
      if (events[i].events & (EPOLLERR | EPOLLHUP)) return 1;
      struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u32 = events[i].data.u32};
      epoll_ctl(ep, EPOLL_CTL_MOD, all[events[i].data.u32].fd, &event);
    }
  }
  printf("ready\n");
  fflush(stdout);

  double rate, warm_ms, measured_ms;
  while (fgets(line, sizeof line, stdin) && sscanf(line, "%lf %lf %lf", &rate, &warm_ms, &measured_ms) == 3) {
    long room = (long)(rate * measured_ms / 1e3 * 2) + wanted, count = 0, sent = 0, unanswered = 0, lost = 0;
    uint32_t *samples = malloc(room * sizeof *samples);
    double start = now(), from = start + warm_ms / 1e3, until = from + measured_ms / 1e3, at = start;
    int is_measuring = 0;
    while (at < until || (unanswered > 0 && at < until + DRAIN_SECONDS)) {
      for (int batch = 0; at < until && batch < SEND_AT_ONCE && start + sent / rate <= at; batch++, sent++) {
        connection_t *c = &all[sent % wanted];
        if (send(c->fd, message, size, MSG_NOSIGNAL) != size) {
          if (errno != EAGAIN) lost++;
          break;
        }
        if (c->awaited++ == 0) c->oldest = sent;
        unanswered++;
      }
      double rest = at < until ? start + sent / rate - now() : 0.01;
      struct timespec wait = {.tv_sec = 0, .tv_nsec = rest <= 0 ? 0 : rest > 0.1 ? 100000000 : (long)(rest * 1e9)};
      int n = epoll_pwait2(ep, events, 512, &wait, NULL);
      for (int i = 0; i < n; i++) {
        connection_t *c = &all[events[i].data.u32];
        ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
        if (got <= 0) {
          if (got < 0 && errno == EAGAIN) continue;
          fprintf(stderr, "a connection was lost\n");
          return 1;
        }
        double then = now();
        for (c->received += got; c->received >= size; c->received -= size, c->awaited--, c->oldest += wanted, unanswered--) {
          double latency = (then - (start + c->oldest / rate)) * 1e9;
          if (then >= from && then < until && count < room) samples[count++] = latency > 4e9 ? 4000000000u : latency;
        }
      }
      at = now();
      if (!is_measuring && at >= from) {
        is_measuring = 1;
        printf("measuring\n");
        fflush(stdout);
      }
    }
    qsort(samples, count, sizeof *samples, by_value);
    printf("{\"answered\":%ld,\"seconds\":%.6f,\"unanswered\":%ld,\"lost\":%ld,\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,\"maxUs\":%.1f}\n",
           count, measured_ms / 1e3, unanswered, lost, percentile(samples, count, 0.5), percentile(samples, count, 0.99),
           percentile(samples, count, 0.999), percentile(samples, count, 1));
    fflush(stdout);
    free(samples);
  }
  struct linger reset = {.l_onoff = 1, .l_linger = 0};  // Close with RST rather than FIN, to leave no TIME_WAIT.
  for (int i = 0; i < wanted; i++) {
    setsockopt(all[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(all[i].fd);
  }
  return 0;
}
