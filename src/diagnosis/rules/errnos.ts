// Every errno that the calls of a connection's life can return on Linux and that no other rule explains: cause, side and fix. From the
// kernel's inet_stream_connect() and inet_bind(), its conversion of ICMP messages (icmp_err_convert, tcp_v6_err) and man 2 connect,
// bind, socket, 7 ip.
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { seen } from "./local-errors.js";
import { cameAtOnce } from "./local-refusals.js";

type Cause = Pick<Finding, "limit" | "whose" | "meaning" | "fix">;

const here = (limit: string, meaning: string, fix: string): Cause => ({ limit, whose: "local", meaning, fix });
const path = (meaning: string, fix: string): Cause => ({ limit: "path", whose: "network", meaning, fix });

const LOOK_AT_POLICIES =
  "look at seccomp (Seccomp in /proc/PID/status), SELinux or AppArmor (ausearch -m avc, dmesg), and BPF programs of the cgroup (bpftool cgroup tree; systemd's IPAddressDeny=, SocketBindDeny=)";
const policy = (call: string): Cause =>
  here(
    "policy",
    `a security policy of this host forbids ${call}: seccomp, a security module, or a cgroup's BPF program`,
    LOOK_AT_POLICIES,
  );
const bug = (call: string): Cause =>
  here(
    "unexplained",
    `${call} was called wrongly: this is a bug in fourtuple`,
    "please report it, with the command line and the output of --json",
  );
const icmp = (message: string): Cause =>
  path(
    `the network refused: an ICMP message said "${message}"`,
    "on this host: tcpdump -n icmp or icmp6 shows which router or host sends it; look at its routes and firewall",
  );
const noFamily = here(
  "address-family",
  "this kernel has no such address family, or it is turned off (ipv6.disable=1)",
  "use the other family (-4, -6), or turn it on",
);
const noMemory = here("memory", "the kernel has no memory for it", "add memory, or raise the container's limit");
const noInterface = here(
  "route",
  "the interface of the address, or of its route, is gone or down",
  "ip -brief link, and ip route get ADDRESS",
);
const noOption = here(
  "kernel",
  "this kernel does not know a socket option that the run needs",
  "use a newer kernel; a sandbox (gVisor) may lack it, too",
);

const MISUSE = ["EBADF", "EFAULT", "ENOTSOCK", "EISCONN", "EALREADY", "EDESTADDRREQ", "ENOTCONN", "EEXIST", "ELOOP"];

/** Of any phase in which a connection is made. */
const ANY: Readonly<Record<string, Cause>> = {
  EAFNOSUPPORT: noFamily,
  EPROTONOSUPPORT: noFamily,
  ESOCKTNOSUPPORT: noFamily,
  EPFNOSUPPORT: noFamily,
  ENOMEM: noMemory,
  ENOBUFS: noMemory,
  ENODEV: noInterface,
  ENXIO: noInterface,
  ENETDOWN: noInterface,
  ENOSYS: noOption,
  ENOPROTOOPT: noOption,
  EOPNOTSUPP: noOption,
  EMFILE: here("nofile", "the descriptor table is full", "raise RLIMIT_NOFILE (ulimit -n, LimitNOFILE=)"),
  ENFILE: here("file-max", "the whole host is out of open files", "raise fs.file-max"),
};

const BY_PHASE: Readonly<Record<string, Readonly<Record<string, Cause>>>> = {
  bind: {
    EINVAL: here(
      "source-address",
      "the kernel takes no such source address: a link-local one without its interface, or one of another family",
      "give addresses of this host (ip -brief address), link-local ones with their zone: fe80::1%eth0",
    ),
    EADDRINUSE: here(
      "source-ports",
      "the source port belongs to another socket",
      "choose other source ports (--source-port), or let the kernel choose: --source-port kernel",
    ),
  },
  register: {
    EPERM: here(
      "kernel",
      "the kernel does not let this descriptor be watched",
      "check that the kernel has epoll for sockets",
    ),
  },
};

/** What connect() itself returns. */
const AT_ONCE: Readonly<Record<string, Cause>> = {
  EINVAL: here(
    "route",
    "this host does not send to that address: a blackhole route, or an address that no connection can have",
    "ip route get ADDRESS, and: ip route show type blackhole; ip rule",
  ),
  ENETUNREACH: here("route", "this host has no route to that network", "check the address, and: ip route get ADDRESS"),
  EHOSTUNREACH: here(
    "route",
    "a route of this host says that the address is unreachable",
    "ip route get ADDRESS, and: ip route show type unreachable; ip rule",
  ),
  EHOSTDOWN: here(
    "route",
    "this host's link layer says that the address is down",
    "ip neigh, and: ip route get ADDRESS",
  ),
  EAGAIN: here(
    "ipsec",
    "an IPsec policy of this host waits for keys (net.core.xfrm_larval_drop is 0)",
    "ip xfrm policy, ip xfrm state, and the log of the IKE daemon",
  ),
  EADDRINUSE: here(
    "source-ports",
    "another connection has this 4-tuple already",
    "choose other source ports (--source-port) or addresses (--source-ip)",
  ),
  EADDRNOTAVAIL: here(
    "source-ports",
    "no source port or no source address is left towards the destination",
    "add source addresses (--source-ip) or source ports (--source-port 1024-65535)",
  ),
  ECONNREFUSED: here(
    "firewall",
    "this host refused the packet that it was to send: a rule that rejects",
    "nft list ruleset, iptables -S OUTPUT",
  ),
  EMSGSIZE: here(
    "route",
    "the interface's MTU is too small for a SYN",
    "ip -brief link; ip route get ADDRESS shows an mtu of the route",
  ),
};

/** What comes later: an answer of the network's or the peer's. */
const LATER: Readonly<Record<string, Cause>> = {
  ECONNREFUSED: {
    limit: "listener",
    whose: "peer",
    meaning: "nobody listens on that port",
    fix: "start the server, or check the port: ss -ltn",
  },
  ECONNRESET: {
    limit: "peer-closing",
    whose: "peer",
    meaning: "the peer, or something in its name, reset the handshake",
    fix: "look at the server's log, and for a firewall or load balancer that resets (tcpdump 'tcp[tcpflags] & tcp-rst != 0')",
  },
  ECONNABORTED: here(
    "stop",
    "a program of this host ended the connections while they were being made (ss -K, or the network's change)",
    "find out who calls ss -K or SOCK_DESTROY",
  ),
  ENETUNREACH: icmp("network unreachable"),
  EHOSTUNREACH: icmp("host unreachable"),
  EACCES: icmp("administratively prohibited"),
  EHOSTDOWN: icmp("destination host unknown"),
  ENONET: icmp("source host isolated"),
  ENOPROTOOPT: icmp("protocol unreachable"),
  EOPNOTSUPP: icmp("source route failed"),
  EPROTO: icmp("parameter problem"),
  EMSGSIZE: path(
    'the path takes no packet of that size: an ICMP message said "fragmentation needed"',
    "check the MTU along the path: tracepath ADDRESS",
  ),
  ETIMEDOUT: path("nothing answered", "check the address, the firewalls on the way, and the server's accept queue"),
  EPIPE: {
    limit: "peer-closing",
    whose: "peer",
    meaning: "the peer closed while the connection was being made",
    fix: "look at the server's log",
  },
};

/** What ends connections that are open. */
const HELD: Readonly<Record<string, Cause>> = {
  ECONNABORTED: here(
    "stop",
    "a program of this host ended the connections (ss -K)",
    "find out who calls ss -K or SOCK_DESTROY",
  ),
  ENETUNREACH: path(
    "the path broke while the connections were held: no route to the network any more",
    "ip route get ADDRESS, here and on the routers",
  ),
  EHOSTUNREACH: path(
    "the path broke while the connections were held: nobody answers for the address any more",
    "ip neigh, and: ip route get ADDRESS",
  ),
  EACCES: path(
    "a firewall began to refuse the connections while they were held",
    "nft list ruleset, here and on the way",
  ),
  ENETDOWN: noInterface,
  EPROTO: icmp("parameter problem"),
  ENOMEM: noMemory,
  ENOBUFS: noMemory,
};

/** @returns undefined for a step of which nothing general can be said */
export function explainErrno(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const cause = causeOf(result, failure);
  return cause && { ...cause, evidence: [seen(failure), ...timing(result, failure)] };
}

function causeOf(result: ConnectResult, failure: FailureReport): Cause | undefined {
  const { phase, errno } = failure;
  if (phase === "hold" || phase === "receive") return HELD[errno];
  if (phase === "send" || phase === "accept") return undefined;
  const call = phase === "register" ? "epoll_ctl()" : phase === "option" ? "setsockopt()" : `${phase}()`;
  if (MISUSE.includes(errno)) return bug(call);
  if (phase !== "connect") return BY_PHASE[phase]?.[errno] ?? ANY[errno] ?? policy(call);
  const isAtOnce = cameAtOnce(result, failure) ?? !(errno in LATER);
  if (isAtOnce) return AT_ONCE[errno] ?? ANY[errno] ?? policy(call);
  return (
    LATER[errno] ??
    ANY[errno] ??
    path(
      `the network answered in a way that the kernel calls ${errno}`,
      "tcpdump -n 'icmp or icmp6 or tcp' shows what comes back",
    )
  );
}

function timing(result: ConnectResult, failure: FailureReport): string[] {
  const isAtOnce = failure.phase === "connect" ? cameAtOnce(result, failure) : undefined;
  if (isAtOnce === undefined) return [];
  return [
    isAtOnce ? "connect() itself returned it: this host's kernel sent nothing" : "it came after the SYN was sent",
  ];
}
