// Identifiers that stand in results and that code counts by or walks through. Without zod: a thread loads them.

/** What can be missing of a run, in the order in which it is told. */
export const MISS_KINDS = [
  "established",
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
