// Cause, side and fix for every errno of a connection's system calls on Linux that no other rule explains. Sources: the
// kernel's inet_stream_connect() and inet_bind(), its conversion of ICMP messages (icmp_err_convert, tcp_v6_err), and
// the man pages connect(2), bind(2), socket(2) and ip(7).
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { seen } from "./local-errors.js";
import { cameAtOnce } from "./local-refusals.js";

type Cause = Pick<Finding, "limit" | "whose" | "meaning" | "fix">;

const here = (limit: string, meaning: string, fix: string): Cause => ({ limit, whose: "local", meaning, fix });
const path = (meaning: string, fix: string): Cause => ({ limit: "path", whose: "network", meaning, fix });

const LOOK_AT_POLICIES =
  "check seccomp (Seccomp in /proc/PID/status), SELinux or AppArmor (ausearch -m avc, dmesg), and the cgroup's BPF programs (bpftool cgroup tree; systemd's IPAddressDeny=, SocketBindDeny=)";
const policy = (call: string): Cause =>
  here(
    "policy",
    `a security policy on this host forbids ${call}: seccomp, a security module, or a cgroup's BPF program`,
    LOOK_AT_POLICIES,
  );
const bug = (call: string): Cause =>
  here(
    "unexplained",
    `${call} was called incorrectly: this is a bug in fourtuple`,
    "please report it, with the command line and the output of --json",
  );
const icmp = (message: string): Cause =>
  path(
    `the network refused: an ICMP message said "${message}"`,
    "run tcpdump -n icmp or icmp6 on this host to see which router or host sends it, then check its routes and firewall",
  );
const noFamily = here(
  "address-family",
  "this kernel lacks the address family, or it is disabled (ipv6.disable=1)",
  "use the other address family (-4, -6), or enable this family",
);
const noMemory = here("memory", "the kernel is out of memory", "add memory, or raise the container's limit");
const noInterface = here(
  "route",
  "the interface of the address or route is gone or down",
  "check ip -brief link and ip route get ADDRESS",
);
const noOption = here(
  "kernel",
  "this kernel lacks a socket option that the run needs",
  "use a newer kernel; sandboxes such as gVisor may not support the option either",
);

const MISUSE = ["EBADF", "EFAULT", "ENOTSOCK", "EISCONN", "EALREADY", "EDESTADDRREQ", "ENOTCONN", "EEXIST", "ELOOP"];

/** Errors in any step of opening a connection. */
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
  ENFILE: here("file-max", "the host is out of open files", "raise fs.file-max"),
};

const BY_PHASE: Readonly<Record<string, Readonly<Record<string, Cause>>>> = {
  bind: {
    EINVAL: here(
      "source-address",
      "the kernel rejects this source address: it is link-local without an interface, or of another family",
      "use this host's addresses (ip -brief address), link-local addresses with their zone: fe80::1%eth0",
    ),
    EADDRINUSE: here(
      "source-ports",
      "the source port is in use by another socket",
      "choose other source ports (--source-port), or let the kernel choose: --source-port kernel",
    ),
  },
  register: {
    EPERM: here(
      "kernel",
      "the kernel does not allow this descriptor to be watched",
      "check that the kernel supports epoll on sockets",
    ),
  },
};

/** Errors that connect() itself returns. */
const AT_ONCE: Readonly<Record<string, Cause>> = {
  EINVAL: here(
    "route",
    "this host does not send to that address: the route is a blackhole, or TCP cannot connect to this kind of address",
    "check ip route get ADDRESS, ip route show type blackhole and ip rule",
  ),
  ENETUNREACH: here(
    "route",
    "this host has no route to that network",
    "check the address, and the routes: ip route get ADDRESS",
  ),
  EHOSTUNREACH: here(
    "route",
    "a route on this host marks the address unreachable",
    "check ip route get ADDRESS, ip route show type unreachable and ip rule",
  ),
  EHOSTDOWN: here(
    "route",
    "this host's link layer reports that the address is down",
    "check ip neigh and ip route get ADDRESS",
  ),
  EAGAIN: here(
    "ipsec",
    "an IPsec policy on this host is waiting for keys (net.core.xfrm_larval_drop is 0)",
    "check ip xfrm policy, ip xfrm state, and the IKE daemon's log",
  ),
  EADDRINUSE: here(
    "source-ports",
    "another connection already has this 4-tuple",
    "choose other source ports (--source-port) or addresses (--source-ip)",
  ),
  EADDRNOTAVAIL: here(
    "source-ports",
    "no source port or source address is left for the destination",
    "add source addresses (--source-ip) or source ports (--source-port 1024-65535)",
  ),
  ECONNREFUSED: here(
    "firewall",
    "this host refused to send the packet: a firewall rule rejects it",
    "check nft list ruleset and iptables -S OUTPUT",
  ),
  EMSGSIZE: here(
    "route",
    "the interface's MTU is too small for a SYN",
    "check ip -brief link; ip route get ADDRESS shows a route's mtu",
  ),
};

/** Errors that only ICMP messages cause. */
const BY_ICMP: Readonly<Record<string, Cause>> = {
  EHOSTDOWN: icmp("destination host unknown"),
  ENONET: icmp("source host isolated"),
  ENOPROTOOPT: icmp("protocol unreachable"),
  EOPNOTSUPP: icmp("source route failed"),
  EPROTO: icmp("parameter problem"),
};

/** Errors that arrive later, as a reply from the network or the peer. */
const LATER: Readonly<Record<string, Cause>> = {
  ECONNREFUSED: {
    limit: "listener",
    whose: "peer",
    meaning: "nothing listens on that port",
    fix: "start the server, or check the port: ss -ltn",
  },
  ECONNRESET: {
    limit: "peer-closing",
    whose: "peer",
    meaning: "the peer, or something on its behalf, reset the handshake",
    fix: "check the server's log, and look for a firewall or load balancer that sends resets (tcpdump 'tcp[tcpflags] & tcp-rst != 0')",
  },
  ECONNABORTED: here(
    "stop",
    "a program on this host aborted the connections during the handshake (ss -K, or a network change)",
    "find out what runs ss -K or uses SOCK_DESTROY",
  ),
  ENETUNREACH: icmp("network unreachable"),
  EHOSTUNREACH: icmp("host unreachable"),
  EACCES: icmp("administratively prohibited"),
  ...BY_ICMP,
  EMSGSIZE: path(
    'the path cannot carry packets of that size: an ICMP message said "fragmentation needed"',
    "check the MTU along the path: tracepath ADDRESS",
  ),
  ETIMEDOUT: path("nothing answered", "check the address, the firewalls on the path, and the server's accept queue"),
  EPIPE: {
    limit: "peer-closing",
    whose: "peer",
    meaning: "the peer closed during the handshake",
    fix: "check the server's log",
  },
};

/** Errors that end open connections. */
const HELD: Readonly<Record<string, Cause>> = {
  ECONNABORTED: here(
    "stop",
    "a program on this host aborted the connections (ss -K)",
    "find out what runs ss -K or uses SOCK_DESTROY",
  ),
  ENETUNREACH: path(
    "the path broke during the hold: there is no longer a route to the network",
    "check ip route get ADDRESS, here and on the routers",
  ),
  EHOSTUNREACH: path(
    "the path broke during the hold: the address no longer answers",
    "check ip neigh and ip route get ADDRESS",
  ),
  EACCES: path(
    "a firewall began to refuse the connections during the hold",
    "check nft list ruleset, here and on the path",
  ),
  ENETDOWN: noInterface,
  ...BY_ICMP,
  ECONNREFUSED: icmp("port unreachable"),
  ENOMEM: noMemory,
  ENOBUFS: noMemory,
};

/** @returns undefined for a step without a general explanation */
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
      `the network answered with an error that the kernel reports as ${errno}`,
      "run tcpdump -n 'icmp or icmp6 or tcp' to see what comes back",
    )
  );
}

function timing(result: ConnectResult, failure: FailureReport): string[] {
  const isAtOnce = failure.phase === "connect" ? cameAtOnce(result, failure) : undefined;
  if (isAtOnce === undefined) return [];
  return [
    isAtOnce
      ? "connect() itself returned the error, so the kernel sent nothing"
      : "the error came after the SYN was sent",
  ];
}
