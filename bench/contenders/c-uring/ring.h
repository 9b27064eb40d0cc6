// Shared code of the programs in this folder: an io_uring with its files, without liburing, and entries for the steps
// of a connection.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// Constants of Linux 6.11 and 6.7, which older headers lack.
enum { OP_BIND = 56, CMD_SETSOCKOPT = 3 };
enum { ENTRIES = 1024, COMPLETIONS = 4096, FILES = 19500, BUFFERS = 4096, BUFFER_BYTES = 256 };
enum { THEN = IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS };

typedef struct {
  int fd;
  unsigned *sq_tail, *cq_head, *cq_tail, tail, pending;
  struct io_uring_sqe *entries;
  struct io_uring_cqe *completions;
  struct sockaddr_in addresses[ENTRIES];  // The kernel copies it when it consumes the entry.
  struct io_uring_buf *buffers;
  char *bytes;
  uint16_t buffers_tail;
} ring_t;

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

static inline void raise_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static inline void *map(int fd, size_t bytes, off_t offset) {
  int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_POPULATE, fd, offset);
  if (at == MAP_FAILED) die("mmap");
  return at;
}

static inline ring_t *make_ring(void) {
  ring_t *r = calloc(1, sizeof *r);
  struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                                       IORING_SETUP_SUBMIT_ALL,
                              .cq_entries = COMPLETIONS};
  if ((r->fd = syscall(SYS_io_uring_setup, ENTRIES, &p)) < 0) die("io_uring_setup");
  char *queue = map(r->fd, p.cq_off.cqes + COMPLETIONS * sizeof *r->completions + ENTRIES * 4, IORING_OFF_SQ_RING);
  unsigned *order = (unsigned *)(queue + p.sq_off.array);
  for (unsigned i = 0; i < ENTRIES; i++) order[i] = i;
  r->entries = map(r->fd, ENTRIES * sizeof *r->entries, IORING_OFF_SQES);
  r->completions = (struct io_uring_cqe *)(queue + p.cq_off.cqes);
  r->sq_tail = (unsigned *)(queue + p.sq_off.tail);
  r->cq_head = (unsigned *)(queue + p.cq_off.head);
  r->cq_tail = (unsigned *)(queue + p.cq_off.tail);
  struct io_uring_rsrc_register files = {.nr = FILES, .flags = IORING_RSRC_REGISTER_SPARSE};
  if (syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES2, &files, sizeof files) < 0) die("registered files");
  return r;
}

static inline void enter(ring_t *r, int least, double seconds) {
  struct timespec t = {.tv_sec = seconds, .tv_nsec = (seconds - (long)seconds) * 1e9};
  struct io_uring_getevents_arg arg = {.ts = (uint64_t)&t};
  __atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
  int flags = IORING_ENTER_GETEVENTS | (seconds >= 0 ? IORING_ENTER_EXT_ARG : 0);
  int taken = syscall(SYS_io_uring_enter, r->fd, r->pending, least, flags, seconds >= 0 ? &arg : NULL, sizeof arg);
  if (taken < 0 && errno != EINTR && errno != ETIME) die("io_uring_enter");
  r->pending = 0;  // With SUBMIT_ALL, all of them are consumed even if the wait fails.
}

/** Returns the next entry, set up with its file and the tag of its completion. */
static inline struct io_uring_sqe *push(ring_t *r, int opcode, int flags, int file, uint64_t tag) {
  if (r->pending == ENTRIES) enter(r, 0, -1);
  struct io_uring_sqe *e = &r->entries[r->tail++ & (ENTRIES - 1)];
  r->pending++;
  memset(e, 0, sizeof *e);
  e->opcode = opcode;
  e->flags = flags;
  e->fd = file;
  e->user_data = tag;
  return e;
}

/** Returns whether a chain fits, because it must not be submitted in two parts. */
static inline int has_room(ring_t *r, unsigned entries) { return ENTRIES - r->pending >= entries; }

static inline struct io_uring_cqe *next(ring_t *r) {
  unsigned head = *r->cq_head;
  return head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) ? NULL : &r->completions[head & (COMPLETIONS - 1)];
}

static inline void seen(ring_t *r) { __atomic_store_n(r->cq_head, *r->cq_head + 1, __ATOMIC_RELEASE); }

static inline void push_socket(ring_t *r, int file, uint64_t tag) {
  struct io_uring_sqe *e = push(r, IORING_OP_SOCKET, THEN, AF_INET, tag);
  e->off = SOCK_STREAM;
  e->file_index = file + 1;
}

static inline void push_address(ring_t *r, int opcode, int flags, int file, uint32_t ip, int port, uint64_t tag) {
  struct io_uring_sqe *e = push(r, opcode, flags | IOSQE_FIXED_FILE, file, tag);
  struct sockaddr_in *address = &r->addresses[e - r->entries];
  *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip)};
  e->addr = (uint64_t)address;
  e->off = sizeof *address;
}

static inline void push_option(ring_t *r, int flags, int file, int level, int name, const void *value, int bytes, uint64_t tag) {
  struct io_uring_sqe *e = push(r, IORING_OP_URING_CMD, flags | IOSQE_FIXED_FILE, file, tag);
  e->cmd_op = CMD_SETSOCKOPT;
  e->addr = (uint64_t)(unsigned)level | (uint64_t)name << 32;
  e->file_index = bytes;
  e->addr3 = (uint64_t)value;
}

static inline void push_poll(ring_t *r, int file, uint64_t tag) {
  push(r, IORING_OP_POLL_ADD, IOSQE_FIXED_FILE, file, tag)->poll32_events = POLLIN | POLLRDHUP;
}

static inline void push_close(ring_t *r, int flags, int file, uint64_t tag) {
  push(r, IORING_OP_CLOSE, flags, 0, tag)->file_index = file + 1;
}

static inline void push_accept(ring_t *r, int listener, uint64_t tag) {
  struct io_uring_sqe *e = push(r, IORING_OP_ACCEPT, 0, listener, tag);
  e->ioprio = IORING_ACCEPT_MULTISHOT;
  e->file_index = IORING_FILE_INDEX_ALLOC;
}

static inline void push_receives(ring_t *r, int file, uint64_t tag) {
  push(r, IORING_OP_RECV, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT, file, tag)->ioprio =
      IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
}

static inline void push_send(ring_t *r, int flags, int file, const void *bytes, int length, uint64_t tag) {
  struct io_uring_sqe *e = push(r, IORING_OP_SEND, flags | IOSQE_FIXED_FILE, file, tag);
  e->addr = (uint64_t)bytes;
  e->len = length;
  e->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
}

static inline void give_buffer(ring_t *r, int id) {
  struct io_uring_buf *buffer = &r->buffers[r->buffers_tail++ & (BUFFERS - 1)];
  buffer->addr = (uint64_t)(r->bytes + id * BUFFER_BYTES);
  buffer->len = BUFFER_BYTES;
  buffer->bid = id;
  __atomic_store_n(&((struct io_uring_buf_ring *)r->buffers)->tail, r->buffers_tail, __ATOMIC_RELEASE);
}

static inline void make_buffers(ring_t *r) {
  r->bytes = map(-1, BUFFERS * BUFFER_BYTES, 0);
  r->buffers = map(-1, BUFFERS * sizeof *r->buffers, 0);
  struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)r->buffers, .ring_entries = BUFFERS};
  if (syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_PBUF_RING, &reg, 1) < 0) die("provided buffers");
  for (int id = 0; id < BUFFERS; id++) give_buffer(r, id);
}

static inline int listen_at(int port, int no_delay) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (no_delay) setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // Accepted sockets inherit it.
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
  if (listen(listener, 65535)) die("listen");
  return listener;
}
