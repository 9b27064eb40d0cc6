// Lower bound with io_uring: one thread, and multishot accepts into the files of a ring. Adds a ring whenever one is
// nearly full. Greets each connection with "hello", polls it for its end, and closes it when the peer has closed.
// Usage: server <port>. Prints "listening", and stops on SIGTERM.
#include "ring.h"

// This exceeds the number of connections queued or in flight, because a multishot accept drops those without a free
// file.
enum { MARGIN = 4500, MOST_RINGS = 256 };
enum { ACCEPT = 1u << 30, IGNORED, RING };

typedef struct {
  ring_t *r;
  int used, is_leaving, has_left;
} unit_t;

static unit_t units[MOST_RINGS];
static int count, listener;

static void add_ring(void) {
  if (count == MOST_RINGS) die("too many rings");
  unit_t *unit = &units[count++];
  unit->r = make_ring();
  push_accept(unit->r, listener, ACCEPT);
  // Wait in the newest ring, which polls the others.
  for (int i = 0; i < count - 1; i++)
    push(unit->r, IORING_OP_POLL_ADD, 0, units[i].r->fd, (uint64_t)i << 32 | RING)->poll32_events = POLLIN;
}

static void accepted(unit_t *unit, int file) {
  push_send(unit->r, IOSQE_CQE_SKIP_SUCCESS, file, "hello", 5, IGNORED);
  push_poll(unit->r, file, file);
  if (++unit->used < FILES - MARGIN || unit->is_leaving) return;
  unit->is_leaving = 1;
  push(unit->r, IORING_OP_ASYNC_CANCEL, 0, -1, IGNORED)->addr = ACCEPT;
}

static void drain(unit_t *unit) {
  ring_t *r = unit->r;
  for (struct io_uring_cqe *c; (c = next(r)); seen(r)) {
    unsigned tag = c->user_data;
    if (tag == ACCEPT) {
      if (c->res >= 0) accepted(unit, c->res);
      if (c->flags & IORING_CQE_F_MORE) continue;
      if (unit->is_leaving) unit->has_left = 1;
      else push_accept(r, listener, ACCEPT);
    } else if (tag == RING) {
      unit_t *other = &units[c->user_data >> 32];
      enter(other->r, 0, 0);
      drain(other);
      enter(other->r, 0, 0);
      push(r, IORING_OP_POLL_ADD, 0, other->r->fd, c->user_data)->poll32_events = POLLIN;
    } else if (tag < ACCEPT) {
      push_close(r, IOSQE_CQE_SKIP_SUCCESS, tag, IGNORED);
      unit->used--;
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: server <port>\n"), 2;
  raise_limit();
  listener = listen_at(atoi(argv[1]), 0);
  add_ring();
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    unit_t *newest = &units[count - 1];
    enter(newest->r, 1, -1);
    drain(newest);
    if (!newest->has_left) continue;
    enter(newest->r, 0, 0);
    add_ring();
  }
}
