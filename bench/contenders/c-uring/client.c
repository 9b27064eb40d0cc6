// Lower bound with io_uring: one thread, and a chain of entries for each connection (socket, bind, connect, receive) of
// which only the last one reports. Adds a ring whenever one is full. Prints "ready", waits for a line, opens the
// connections, prints the seconds until each was greeted, holds them until its standard input ends, and resets them.
// Usage: client <port> <connections> <ports per source address> <window>
#include "ring.h"

enum { FIRST_PORT = 1024, CHAIN = 4, MOST_RINGS = 256, DEADLINE_SECONDS = 120 };
enum { SOCKET, BIND, CONNECT, RECEIVE, REST, LINGER };
#define TAG(step, file) ((uint64_t)(step) << 32 | (unsigned)(file))

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "usage: client <port> <connections> <ports per source address> <window>\n"), 2;
  int port = atoi(argv[1]), wanted = atoi(argv[2]), per_source = atoi(argv[3]), window = atoi(argv[4]);
  int greeted = 0, failed = 0, tuple = 0, rings = 0;
  static ring_t *all[MOST_RINGS];
  static int sizes[MOST_RINGS];
  static char scratch[512];
  raise_limit();
  printf("ready\n");
  fflush(stdout);
  if (read(0, scratch, sizeof scratch) <= 0) return 2;
  double start = now(), deadline = start + DEADLINE_SECONDS;

  for (int left = wanted; left > 0 && rings < MOST_RINGS; left -= FILES, rings++) {
    ring_t *r = all[rings] = make_ring();
    int size = sizes[rings] = left < FILES ? left : FILES, begun = 0, settled = 0, retried = -1;
    while (settled < size && now() < deadline) {
      while ((retried >= 0 || (begun < size && begun - settled < window)) && has_room(r, CHAIN)) {
        int file = retried >= 0 ? retried : begun++;
        retried = -1;
        push_socket(r, file, TAG(SOCKET, file));
        uint32_t source = INADDR_LOOPBACK + tuple / per_source;
        push_address(r, OP_BIND, THEN, file, source, FIRST_PORT + tuple++ % per_source, TAG(BIND, file));
        push_address(r, IORING_OP_CONNECT, THEN, file, INADDR_LOOPBACK, port, TAG(CONNECT, file));
        struct io_uring_sqe *e = push(r, IORING_OP_RECV, IOSQE_FIXED_FILE, file, TAG(RECEIVE, file));
        e->ioprio = IORING_RECVSEND_POLL_FIRST;
        e->addr = (uint64_t)scratch;
        e->len = sizeof scratch;
      }
      enter(r, 1, 1);
      for (struct io_uring_cqe *c; retried < 0 && (c = next(r)); seen(r)) {
        int step = c->user_data >> 32, file = (uint32_t)c->user_data;
        if (c->res == -ECANCELED || step == REST) continue;
        // The port is in use, for example by a local service. Try the next tuple.
        if (step == BIND && c->res == -EADDRINUSE) retried = file;
        else if (step == RECEIVE && c->res > 0) settled++, greeted++, push_poll(r, file, TAG(REST, file));
        else settled++, failed++;
      }
    }
    enter(r, 0, 0);
  }
  printf("{\"established\":%d,\"failed\":%d,\"seconds\":%.6f}\n", greeted, failed, now() - start);
  fflush(stdout);
  while (read(0, scratch, sizeof scratch) > 0) {
  }
  // Closing the rings then sends RST instead of FIN, which leaves no TIME_WAIT.
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  for (int i = 0; i < rings; i++) {
    for (int file = 0; file < sizes[i]; file++) {
      push_option(all[i], IOSQE_CQE_SKIP_SUCCESS, file, SOL_SOCKET, SO_LINGER, &reset, sizeof reset, TAG(LINGER, file));
    }
    enter(all[i], 0, 0);
  }
  return greeted == wanted ? 0 : 1;
}
