// Identifiers that stand in results and that code counts by or walks through. Without zod: a thread loads them.

/** What can be missing of a run, in the order in which it is told. */
export const MISS_KINDS = [
  "established",
  "unready",
  "lost",
  "half-open",
  "unaccepted",
  "ungreeted",
  "unsent",
  "unanswered",
  "failures",
  "rate",
  "latency",
] as const;

/** What is spoken over connections. `tcp`: bytes as they are. */
export const PROTOCOLS = ["tcp", "ws"] as const;

/** TCP states by name, as in RFC 9293, in the order of the kernel's numbers from 1 on (include/net/tcp_states.h). */
export const TCP_STATE_NAMES = [
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
  "LISTEN",
  "CLOSING",
] as const;

/**
 * How an experiment of the lab ended. `refuted`: what was observed excludes the prediction. `inconclusive`: it neither shows nor
 * excludes it, as on a host that is too busy. `failed`: it broke off, and says nothing of the claim. `skipped`: this host lacks
 * or forbids what it takes.
 */
export const LAB_VERDICTS = ["confirmed", "refuted", "inconclusive", "failed", "skipped"] as const;

/**
 * Who has the connections. `ordinary`: a program with one descriptor table whose source ports the kernel chooses, as most
 * are; `fourtuple`: ours, which parks sockets, has more tables and chooses the 4-tuples itself.
 */
export const PROGRAMS = ["ordinary", "fourtuple"] as const;

/** What carries connections: the kernel's sockets behind epoll, or in io_uring. */
export const ENGINES = ["epoll", "uring"] as const;
/** What can be asked for. */
export const ENGINE_CHOICES = ["auto", ...ENGINES] as const;

/**
 * What keeps io_uring from a run. `filter`: seccomp or a security module refuses it; `disabled`: kernel.io_uring_disabled; `kernel`: it has no
 * io_uring, or a sandbox hides it; `operations`: it lacks some; `memlock`: RLIMIT_MEMLOCK is too small; `other`: the errno says.
 */
export const URING_OBSTACLES = ["filter", "disabled", "kernel", "operations", "memlock", "other"] as const;
