// Why connections failed, in a sentence: what (phase, errno) means to somebody who opens many, and what to change.

import type { FailureCount, Phase } from "../engine/shard-memory.js";
import { errnoMeaning, errnoName } from "../sys/errno.js";
import type { Explanation } from "./result.js";

interface Lesson {
  readonly meaning: string;
  readonly fix: string;
}

const LESSONS: Partial<Record<`${Phase} ${string}` | string, Lesson>> = {
  "bind EADDRNOTAVAIL": {
    meaning: "every 4-tuple of the plan is used: the source addresses have no port left towards the destination",
    fix: "add source addresses (--source-ip), or a second destination port (host:7777-7778)",
  },
  "connect EADDRNOTAVAIL": {
    meaning: "the kernel found no free source port towards the destination: the ephemeral range is used up",
    fix: "add source addresses (--source-ip), leave out --source-port kernel, or widen net.ipv4.ip_local_port_range",
  },
  "bind EACCES": {
    meaning: "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
    fix: "use --source-port 1024-65535",
  },
  "socket EMFILE": {
    meaning: "the descriptor table is full: the limit of open files (RLIMIT_NOFILE) of this process is reached",
    fix: "raise it (ulimit -n), or allow io_uring or unshare(CLONE_FILES), with which more than one table can be had",
  },
  "socket ENFILE": { meaning: "the whole host is out of open files", fix: "raise fs.file-max" },
  "register ENOSPC": { meaning: "this user may not watch more descriptors", fix: "raise fs.epoll.max_user_watches" },
  "connect ECONNREFUSED": {
    meaning: "nobody listens on that port, or a full accept queue was told to refuse (tcp_abort_on_overflow)",
    fix: "start the server, or check the port: ss -ltn",
  },
  "connect ETIMEDOUT": {
    meaning:
      "no answer in time: the server's accept queue is full, or packets are lost on the way (a firewall, conntrack)",
    fix: "look at ListenOverflows on the server (nstat -az TcpExtListenOverflows), lower --concurrency, or give --connect-timeout more",
  },
  "connect ENETUNREACH": {
    meaning: "this host has no route to that network",
    fix: "check the address, and: ip route get ADDRESS",
  },
  "connect EHOSTUNREACH": {
    meaning: "nobody on the network answers for that address",
    fix: "check the address, and that the host is up",
  },
  "connect ECONNRESET": {
    meaning: "the server ended the connection during the handshake: its own maximum may be reached",
    fix: "raise the server's limit of connections or of open files",
  },
  "hold FIN": {
    meaning:
      "the server closed connections that were held: it ended, or it has a maximum or an idle time-out of its own",
    fix: "look at the server's log and its limits (worker_connections, maxclients, …)",
  },
  "hold ECONNRESET": {
    meaning: "the server reset connections that were held: it ended, or it closes what is over its own maximum",
    fix: "look at the server's log and its limits (worker_connections, maxclients, …)",
  },
};
const MEMORY: Lesson = {
  meaning: "the kernel has no memory for more sockets",
  fix: "add memory, or raise net.ipv4.tcp_mem",
};

/** The explanation of the most frequent failure. */
export function explainFailure({ phase, errno }: FailureCount): Explanation {
  const name = failureName(errno);
  const lesson = LESSONS[`${phase} ${name}`] ??
    (name === "ENOMEM" || name === "ENOBUFS" ? MEMORY : undefined) ?? {
      meaning: errno === 0 ? "the peer closed the connection" : errnoMeaning(errno),
      fix: `see errno ${name} of ${phase === "hold" ? "recv" : phase}(2)`,
    };
  return { phase, errno: name, ...lesson };
}

/** The errno's name; a peer's orderly end has none. */
export function failureName(errno: number): string {
  return errno === 0 ? "FIN" : errnoName(errno);
}
