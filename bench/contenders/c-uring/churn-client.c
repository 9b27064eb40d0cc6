// Lower bound of the churn with io_uring: one thread, with the whole life of each connection in one chain (socket,
// bind, connect, receive, linger, close) that reports at its end. Limits the number of open connections. Prints
// "ready", waits for a line, and prints a line of JSON at the end.
// Usage: churn-client <port> <connections> <open at a time>
#include "ring.h"

enum { FIRST_SOURCE = 0x7f060001, FIRST_PORT = 1024, PORTS = 64512, DEADLINE_SECONDS = 60, CHAIN = 6 };
enum { SOCKET, BIND, CONNECT, RECEIVE, LINGER, CLOSE };
#define TAG(step, file) ((uint64_t)(step) << 32 | (unsigned)(file))

int main(int argc, char **argv) {
  if (argc != 4) return fprintf(stderr, "usage: churn-client <port> <connections> <at once>\n"), 2;
  int port = atoi(argv[1]), wanted = atoi(argv[2]), at_once = atoi(argv[3]), begun = 0, greeted = 0, failed = 0;
  struct linger reset = {.l_onoff = 1, .l_linger = 0};  // Close with RST rather than FIN, to leave no TIME_WAIT.
  static char scratch[512];
  int *idle = malloc(at_once * sizeof *idle), idles = 0;  // Files that hold no connection.
  for (int file = 0; file < at_once; file++) idle[idles++] = file;
  raise_limit();
  ring_t *r = make_ring();
  printf("ready\n");
  fflush(stdout);
  if (read(0, scratch, sizeof scratch) <= 0) return 2;
  double start = now(), deadline = start + DEADLINE_SECONDS;

  for (long tuple = 0; greeted + failed < wanted && now() < deadline;) {
    while (idles > 0 && begun < wanted && has_room(r, CHAIN)) {
      int file = idle[--idles];
      begun++;
      push_socket(r, file, TAG(SOCKET, file));
      push_address(r, OP_BIND, THEN, file, FIRST_SOURCE + tuple / PORTS, FIRST_PORT + tuple % PORTS, TAG(BIND, file));
      tuple++;
      push_address(r, IORING_OP_CONNECT, THEN, file, INADDR_LOOPBACK, port, TAG(CONNECT, file));
      struct io_uring_sqe *e = push(r, IORING_OP_RECV, THEN | IOSQE_FIXED_FILE, file, TAG(RECEIVE, file));
      e->ioprio = IORING_RECVSEND_POLL_FIRST;
      e->addr = (uint64_t)scratch;
      e->len = 1;  // With WAITALL, a shorter receive, such as at EOF, breaks the chain.
      e->msg_flags = MSG_WAITALL;
      push_option(r, THEN, file, SOL_SOCKET, SO_LINGER, &reset, sizeof reset, TAG(LINGER, file));
      push_close(r, 0, file, TAG(CLOSE, file));
    }
    enter(r, 1, 1);
    for (struct io_uring_cqe *c; (c = next(r)); seen(r)) {
      int step = c->user_data >> 32, file = (uint32_t)c->user_data;
      if (c->res == -ECANCELED) continue;
      idle[idles++] = file;
      if (step == CLOSE) greeted++;
      else if (step == BIND && c->res == -EADDRINUSE) begun--;  // The port is in use. Try the next tuple.
      else failed++;
    }
  }
  printf("{\"greeted\":%d,\"failed\":%d,\"seconds\":%.6f}\n", greeted, failed, now() - start);
  return greeted == wanted ? 0 : 1;
}
