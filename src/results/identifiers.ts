// Identifiers in results that code also uses for counting or iterating. Threads load this file, so it must not import
// zod.

/** Reasons for missing a target, in order of presentation. */
export const MISS_KINDS = [
  "established",
  "unready",
  "lost",
  "unreopened",
  "half-open",
  "unaccepted",
  "ungreeted",
  "unsent",
  "unanswered",
  "undelivered",
  "errors",
  "handler-errors",
  "failures",
  "rate",
  "latency",
] as const;

/** Protocols. `tcp` means raw bytes, `scripted` a user-defined protocol. */
export const PROTOCOLS = ["tcp", "ws", "http", "mqtt", "scripted"] as const;

/** Schemes of addresses: a protocol, with or without TLS. */
export const SCHEME_NAMES = ["tcp", "tls", "ws", "wss", "http", "https", "mqtt", "mqtts"] as const;
export type Scheme = (typeof SCHEME_NAMES)[number];

/**
 * Names of TCP states, as in RFC 9293, in the order of the kernel's numbers starting at 1 (include/net/tcp_states.h).
 */
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
 * Verdicts of experiments. `refuted`: the observation rules out the prediction. `inconclusive`: the observation neither
 * supports nor rules out the prediction, for example on a busy host. `failed`: the experiment was aborted and says
 * nothing about the claim. `skipped`: this host lacks or forbids a prerequisite.
 */
export const LAB_VERDICTS = ["confirmed", "refuted", "inconclusive", "failed", "skipped"] as const;

/**
 * Programs that hold the connections. `ordinary`: a typical program with one descriptor table, whose source ports the
 * kernel chooses. `fourtuple`: this program, which parks sockets, uses several tables and chooses 4-tuples itself.
 */
export const PROGRAMS = ["ordinary", "fourtuple"] as const;

/** Whose TCP a run uses: the kernel's, or that of this program, which works through a TUN device. */
export const TRANSPORTS = ["kernel", "packet"] as const;

/** How packets of connections without kernel sockets get to other hosts and back. */
export const NETWORK_WAYS = ["host", "routed", "same-link"] as const;

/** Why such a run needs a setting of the host. */
export const SETTING_REASONS = ["forwarding", "announced-routes", "answer", "answer-at-once"] as const;
/** I/O engines: kernel sockets with epoll, or with io_uring. */
export const ENGINES = ["epoll", "uring"] as const;
/** Values of --engine. */
export const ENGINE_CHOICES = ["auto", ...ENGINES] as const;

/**
 * Why io_uring is unavailable. `filter`: seccomp or a security module blocks it; `disabled`: kernel.io_uring_disabled;
 * `kernel`: the kernel lacks io_uring, or a sandbox hides it; `operations`: the kernel lacks some operations;
 * `memlock`: RLIMIT_MEMLOCK is too low; `other`: see the errno.
 */
export const URING_OBSTACLES = ["filter", "disabled", "kernel", "operations", "memlock", "other"] as const;

/** ICMP errors, as counted with transport packet. */
export const ICMP_KINDS = [
  "net",
  "host",
  "protocol",
  "port",
  "prohibited",
  "too-big",
  "time-exceeded",
  "other",
] as const;

/** TLS versions that a run can be restricted to. */
export const TLS_VERSIONS = ["1.2", "1.3"] as const;

/** Versions of MQTT. */
export const MQTT_VERSIONS = ["5", "3.1.1"] as const;
