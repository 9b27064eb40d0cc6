// Lower bound of the message workload with io_uring: one thread, and multishot receives into provided buffers, from
// which the answers are sent.
// Usage: echo-server <port>. Prints "listening", and stops on SIGTERM.
#include "ring.h"

enum { ACCEPT = 1, RECEIVE, SEND, IGNORED };
#define TAG(what, buffer, file) ((uint64_t)(what) << 56 | (uint64_t)(buffer) << 32 | (unsigned)(file))

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: echo-server <port>\n"), 2;
  raise_limit();
  int listener = listen_at(atoi(argv[1]), 1);
  ring_t *r = make_ring();
  make_buffers(r);
  push_accept(r, listener, TAG(ACCEPT, 0, 0));
  printf("listening\n");
  fflush(stdout);
  for (;;) {
    enter(r, 1, -1);
    for (struct io_uring_cqe *c; (c = next(r)); seen(r)) {
      int what = c->user_data >> 56, file = (uint32_t)c->user_data, has_more = c->flags & IORING_CQE_F_MORE;
      if (what == ACCEPT) {
        if (c->res >= 0) push_receives(r, c->res, TAG(RECEIVE, 0, c->res));
        if (!has_more) push_accept(r, listener, TAG(ACCEPT, 0, 0));
      } else if (what == RECEIVE) {
        int buffer = c->flags >> IORING_CQE_BUFFER_SHIFT;
        if (c->res > 0) push_send(r, 0, file, r->bytes + buffer * BUFFER_BYTES, c->res, TAG(SEND, buffer, file));
        else if (c->flags & IORING_CQE_F_BUFFER) give_buffer(r, buffer);
        if (has_more) continue;
        if (c->res > 0 || c->res == -ENOBUFS) push_receives(r, file, TAG(RECEIVE, 0, file));
        else push_close(r, IOSQE_CQE_SKIP_SUCCESS, file, TAG(IGNORED, 0, 0));
      } else if (what == SEND) {
        give_buffer(r, c->user_data >> 32 & 0xffff);
      }
    }
  }
}
