// Limits of kernel tables: the socket hash table, connection tracking and closing sockets.
import { formatCount } from "../../util/units.js";
import { type Limit, usageOf } from "../limit.js";
import { endsHere, type Load } from "../load.js";

const IP_SYSCTL = "Linux networking/ip-sysctl.rst";
/** Maximum number of sockets per bucket with negligible lookup cost. */
const GOOD_CHAIN = 4;

export const establishedHash: Limit = {
  id: "tcp-ehash",
  name: "net.ipv4.tcp_ehash_entries",
  unit: "entries",
  scope: "host",
  caps: "lookups",
  side: "both",
  source: `${IP_SYSCTL}, tcp_ehash_entries`,
  change: "thash_entries= on the kernel's command line; a network namespace can have its own (tcp_child_ehash_entries)",
  privilege: "administrator",
  pitfall: "does not cap connections: with fewer buckets than sockets, each lookup walks a longer chain",
  read: ({ establishedBuckets }) => establishedBuckets,
  needs: (_, load) => Math.ceil((load.connections * endsHere(load)) / GOOD_CHAIN) || undefined,
};

export const childHash: Limit = {
  id: "tcp-child-ehash",
  name: "net.ipv4.tcp_child_ehash_entries",
  unit: "entries",
  scope: "namespace",
  caps: "lookups",
  side: "both",
  source: `${IP_SYSCTL}, tcp_child_ehash_entries`,
  change: "sysctl net.ipv4.tcp_child_ehash_entries, before the namespace is created",
  privilege: "CAP_NET_ADMIN",
  pitfall: "0 means that namespaces created from here share the host's table",
  read: ({ childBuckets }) => childBuckets,
  needs: () => undefined,
};

export const conntrackMax: Limit = {
  id: "nf-conntrack-max",
  name: "net.netfilter.nf_conntrack_max",
  unit: "entries",
  scope: "namespace",
  caps: "held",
  side: "both",
  source: "Linux networking/nf_conntrack-sysctl.rst, nf_conntrack_max",
  change: "sysctl net.netfilter.nf_conntrack_max (on the host), or notrack rules for this traffic",
  privilege: "CAP_NET_ADMIN",
  pitfall: "nothing is tracked until a firewall rule uses connection state; then a full table silently drops SYNs",
  sysctl: "net.netfilter.nf_conntrack_max",
  read: ({ conntrack }) => conntrack?.max,
  usage: ({ conntrack }) => conntrack && { used: conntrack.count, of: conntrack.max },
  describe: ({ conntrack, isTracked, isTrackingOfPort, hides }) => {
    if (!conntrack) return hides.conntrack ? undefined : "not loaded";
    const state = isTracked === undefined ? "unknown whether it tracks" : isTracked ? "tracking" : "not tracking";
    return `${formatCount(conntrack.max)}, ${state}${isTrackingOfPort ? "" : " (tested on another port)"}`;
  },
  allows: ({ conntrack, isTracked, hides }, { connections }) => {
    if (!conntrack) return hides.conntrack ? undefined : Number.POSITIVE_INFINITY;
    if (isTracked === false) return Number.POSITIVE_INFINITY;
    const room = Math.max(0, conntrack.max - conntrack.count);
    return isTracked || room >= connections ? room : undefined;
  },
  needs: ({ conntrack, isTracked }, { connections }) =>
    conntrack && isTracked ? conntrack.count + connections : undefined,
};

export const conntrackBuckets: Limit = {
  id: "nf-conntrack-buckets",
  name: "net.netfilter.nf_conntrack_buckets",
  unit: "entries",
  scope: "host",
  caps: "lookups",
  side: "both",
  source: "Linux networking/nf_conntrack-sysctl.rst, nf_conntrack_buckets",
  change: "sysctl net.netfilter.nf_conntrack_buckets",
  privilege: "CAP_NET_ADMIN",
  pitfall: "raising the limit without adding buckets slows down every lookup",
  sysctl: "net.netfilter.nf_conntrack_buckets",
  read: ({ conntrack }) => conntrack?.buckets,
  needs: ({ conntrack, isTracked }, { connections }) =>
    conntrack && isTracked ? Math.ceil((conntrack.count + connections) / GOOD_CHAIN) : undefined,
};

export const timeWaitBuckets: Limit = {
  id: "tcp-max-tw-buckets",
  name: "net.ipv4.tcp_max_tw_buckets",
  unit: "entries",
  scope: "namespace",
  caps: "closing",
  side: "client",
  source: `${IP_SYSCTL}, tcp_max_tw_buckets`,
  change: "sysctl net.ipv4.tcp_max_tw_buckets",
  privilege: "CAP_NET_ADMIN",
  pitfall:
    "above this value, TIME_WAIT is skipped and old segments may reach new connections; TIME_WAIT sockets are on the side that closes first",
  sysctl: "net.ipv4.tcp_max_tw_buckets",
  read: ({ timeWaitMax }) => timeWaitMax,
  usage: ({ timeWaitNow, timeWaitMax }) => usageOf(timeWaitNow, timeWaitMax),
  needs: () => undefined,
};

export const timeWaitReuse: Limit = {
  id: "tcp-tw-reuse",
  name: "net.ipv4.tcp_tw_reuse",
  unit: "flag",
  scope: "namespace",
  caps: "closing",
  side: "client",
  source: `${IP_SYSCTL}, tcp_tw_reuse`,
  change: "sysctl net.ipv4.tcp_tw_reuse",
  privilege: "CAP_NET_ADMIN",
  pitfall: "helps the connecting side, never the accepting side; the default, 2, applies to loopback only",
  sysctl: "net.ipv4.tcp_tw_reuse",
  read: ({ timeWaitReuse: value }) => value,
  needs: () => undefined,
};

export const orphans: Limit = {
  id: "tcp-max-orphans",
  name: "net.ipv4.tcp_max_orphans",
  unit: "entries",
  scope: "host",
  caps: "closing",
  side: "both",
  source: `${IP_SYSCTL}, tcp_max_orphans`,
  change: "sysctl net.ipv4.tcp_max_orphans",
  privilege: "CAP_NET_ADMIN",
  pitfall: "sockets that a process closed with data or a FIN outstanding; sockets above the limit are reset",
  sysctl: "net.ipv4.tcp_max_orphans",
  read: ({ orphansMax }) => orphansMax,
  usage: ({ orphansNow, orphansMax }) => usageOf(orphansNow, orphansMax),
  needs: () => undefined,
};

export const linkSpeed: Limit = {
  id: "link-speed",
  name: "link speed",
  unit: "bit/s",
  scope: "network",
  caps: "messages",
  side: "both",
  source: "Linux ABI/testing/sysfs-class-net, speed",
  change: "a faster interface, smaller or fewer messages",
  privilege: "administrator",
  pitfall: "every 1,448 bytes of a message add 90 bytes of headers on Ethernet, and another 90 for the acknowledgement",
  read: ({ linkBitsPerSec }) => linkBitsPerSec,
  allows: ({ linkBitsPerSec }, load) => {
    if (load.messageRatePerSec === 0) return Number.POSITIVE_INFINITY;
    if (load.role === "both" && linkBitsPerSec === undefined) return Number.POSITIVE_INFINITY;
    return linkBitsPerSec === undefined ? undefined : Math.floor(linkBitsPerSec / bitsPerConnection(load));
  },
  needs: (_, load) =>
    load.messageRatePerSec === 0 ? undefined : Math.ceil(load.connections * bitsPerConnection(load)),
};

/** Preamble, Ethernet, IP and TCP headers with timestamps, FCS and inter-frame gap. */
export const FRAME_BYTES = 90;

/** Ethernet MTU of 1,500 bytes minus IP and TCP headers with timestamps. */
const SEGMENT_BYTES = 1448;

function bitsPerConnection({ messageRatePerSec, messageBytes }: Load): number {
  const frames = Math.ceil(messageBytes / SEGMENT_BYTES);
  return messageRatePerSec * (messageBytes + frames * FRAME_BYTES) * 8;
}
