// Lower bound of the message workload with io_uring: one thread, multishot receives, and the sends of a turn submitted
// together. Opens the connections, prints "ready" and reads the same lines as the epoll client. A latency ends when the
// completion is seen.
// Usage: echo-client <port> <connections> <bytes per message>
#include "ring.h"

#include <sys/prctl.h>

enum { FIRST_PORT = 1024, WINDOW = 1024, CHAIN = 4, SEND_AT_ONCE = 64, DRAIN_SECONDS = 2 };
enum { SOCKET, BIND, OPTION, CONNECT, RECEIVE, SEND };
#define TAG(step, file) ((uint64_t)(step) << 32 | (unsigned)(file))

typedef struct {
  long awaited, oldest, received;  // Number of unanswered messages, the oldest one, and the bytes received of its answer.
} connection_t;

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
  if (argc != 4) return fprintf(stderr, "usage: echo-client <port> <connections> <bytes per message>\n"), 2;
  int target = atoi(argv[1]), wanted = atoi(argv[2]), size = atoi(argv[3]), one = 1, begun = 0, open = 0, port = FIRST_PORT;
  const uint32_t source = ntohl(inet_addr("127.5.0.1"));  // Not used by other programs, so all its ports are free.
  static char line[256], message[65536];
  memset(message, 'm', sizeof message);
  raise_limit();
  prctl(PR_SET_TIMERSLACK, 1);  // End waits on time rather than up to 50 us later.
  connection_t *all = calloc(wanted, sizeof *all);
  ring_t *r = make_ring();
  make_buffers(r);

  while (open < wanted) {
    while (begun < wanted && begun - open < WINDOW && has_room(r, CHAIN)) {
      int file = begun++;
      push_socket(r, file, TAG(SOCKET, file));
      push_address(r, OP_BIND, THEN, file, source, port++, TAG(BIND, file));
      push_option(r, THEN, file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one, TAG(OPTION, file));
      push_address(r, IORING_OP_CONNECT, 0, file, INADDR_LOOPBACK, target, TAG(CONNECT, file));
    }
    enter(r, 1, 10);
    for (struct io_uring_cqe *c; (c = next(r)); seen(r)) {
      if (c->res < 0) return fprintf(stderr, "open: %s\n", strerror(-c->res)), 1;
      open++;
      push_receives(r, (uint32_t)c->user_data, TAG(RECEIVE, c->user_data));
    }
  }
  enter(r, 0, 0);
  printf("ready\n");
  fflush(stdout);

  double rate, warm_ms, measured_ms;
  while (fgets(line, sizeof line, stdin) && sscanf(line, "%lf %lf %lf", &rate, &warm_ms, &measured_ms) == 3) {
    long room = (long)(rate * measured_ms / 1e3 * 2) + wanted, count = 0, sent = 0, unanswered = 0, lost = 0;
    uint32_t *samples = malloc(room * sizeof *samples);
    double start = now(), from = start + warm_ms / 1e3, until = from + measured_ms / 1e3, at = start;
    int is_measuring = 0;
    while (at < until || (unanswered > 0 && at < until + DRAIN_SECONDS)) {
      for (int batch = 0; at < until && batch < SEND_AT_ONCE && start + sent / rate <= at; batch++, sent++, unanswered++) {
        int file = sent % wanted;
        push_send(r, IOSQE_CQE_SKIP_SUCCESS, file, message, size, TAG(SEND, file));
        if (all[file].awaited++ == 0) all[file].oldest = sent;
      }
      double rest = at < until ? start + sent / rate - now() : 0.01;
      enter(r, rest > 0, rest <= 0 ? 0 : rest > 0.1 ? 0.1 : rest);
      for (struct io_uring_cqe *c; (c = next(r)); seen(r)) {
        int file = (uint32_t)c->user_data;
        if (c->user_data >> 32 == SEND) {
          lost++;
          continue;
        }
        if (c->flags & IORING_CQE_F_BUFFER) give_buffer(r, c->flags >> IORING_CQE_BUFFER_SHIFT);
        if (c->res <= 0 && c->res != -ENOBUFS) return fprintf(stderr, "a connection was lost\n"), 1;
        if (!(c->flags & IORING_CQE_F_MORE)) push_receives(r, file, TAG(RECEIVE, file));
        if (c->res < 0) continue;
        connection_t *each = &all[file];
        double then = now();
        for (each->received += c->res; each->received >= size; each->received -= size, each->awaited--, unanswered--) {
          double latency = (then - (start + each->oldest / rate)) * 1e9;
          if (then >= from && then < until && count < room) samples[count++] = latency > 4e9 ? 4000000000u : latency;
          each->oldest += wanted;
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
  struct linger reset = {.l_onoff = 1, .l_linger = 0};  // Closing the ring sends RST, which leaves no TIME_WAIT.
  for (int file = 0; file < wanted; file++) {
    push_option(r, IOSQE_CQE_SKIP_SUCCESS, file, SOL_SOCKET, SO_LINGER, &reset, sizeof reset, TAG(OPTION, file));
  }
  enter(r, 0, 0);
  return 0;
}
