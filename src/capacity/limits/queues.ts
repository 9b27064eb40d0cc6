// Limits on the arrival rate of connections: accept queue, SYN queue and per-CPU backlog. None of these limits
// affects how many connections can be held.
import { TX_QUEUE_LENGTH } from "../../planning/packet/plan.js";
import type { HostFacts, HostReadings } from "../host-facts.js";
import type { Limit } from "../limit.js";
import type { Load } from "../load.js";

const IP_SYSCTL = "Linux networking/ip-sysctl.rst";

export const acceptQueue: Limit = {
  id: "accept-queue",
  name: "the listener's accept queue",
  unit: "connections",
  scope: "process",
  caps: "rate",
  side: "server",
  source: "man 2 listen; Linux networking/ip-sysctl.rst, tcp_abort_on_overflow",
  change: "a longer backlog in listen(), which net.core.somaxconn caps; a server that accepts faster",
  privilege: "administrator",
  pitfall:
    "queued connections are already ESTABLISHED; when the queue is full, SYNs are dropped and clients see ETIMEDOUT, not a refusal",
  read: (_, load) => load?.peer?.listeners[0]?.acceptQueue.limit,
  // A server that never accepts holds as many connections as fit into its queues.
  allows: (_, { peer, connections }) => {
    const stopped = peer?.queues.filter(({ isStopped }) => isStopped) ?? [];
    if (!peer || stopped.length === 0) return Number.POSITIVE_INFINITY;
    const rooms = stopped.map(({ room }) => room ?? Number.NaN);
    const isAll = stopped.length === peer.queues.length;
    // The kernel distributes connections among the listeners of a port by a hash, so it is unknown which ones reach a
    // stopped listener.
    const room = isAll ? rooms.reduce((sum, left) => sum + left, 0) : Math.min(...rooms);
    if (Number.isNaN(room)) return undefined;
    return isAll ? room : room >= connections ? Number.POSITIVE_INFINITY : undefined;
  },
  needs: (_, load) => (load.peer?.listeners.length ? load.burst : undefined),
};

export const somaxconn: Limit = rateLimit({
  id: "somaxconn",
  name: "net.core.somaxconn",
  unit: "connections",
  side: "server",
  source: "Linux admin-guide/sysctl/net.rst, somaxconn; man 2 listen",
  pitfall: "listen() silently caps its backlog at this value, and only when called: restart the server after a change",
  read: ({ somaxconn: value }) => value,
  // The queue is long enough already.
  needs: (_, { burst, peer }) => {
    const lengths = peer?.listeners.map(({ acceptQueue: { limit } }) => limit ?? 0) ?? [];
    return lengths.length > 0 && Math.min(...lengths) >= burst ? undefined : burst;
  },
});

export const synBacklog: Limit = rateLimit({
  id: "tcp-max-syn-backlog",
  name: "net.ipv4.tcp_max_syn_backlog",
  unit: "connections",
  side: "server",
  source: `${IP_SYSCTL}, tcp_max_syn_backlog`,
  pitfall: "with SYN cookies on, this setting matters little: a full SYN queue is answered with cookies",
  read: ({ synBacklog: value }) => value,
  needs: ({ syncookies }, { burst }) => (syncookies === 0 ? burst : undefined),
});

export const syncookies: Limit = {
  ...rateLimit({
    id: "tcp-syncookies",
    name: "net.ipv4.tcp_syncookies",
    unit: "flag",
    side: "server",
    source: `${IP_SYSCTL}, tcp_syncookies`,
    pitfall:
      "when off, a full SYN queue drops handshakes; when on, connections under pressure lose window scaling and SACK",
    read: ({ syncookies: value }) => value,
    needs: () => undefined,
  }),
};

export const abortOnOverflow: Limit = {
  ...rateLimit({
    id: "tcp-abort-on-overflow",
    name: "net.ipv4.tcp_abort_on_overflow",
    unit: "flag",
    side: "server",
    source: `${IP_SYSCTL}, tcp_abort_on_overflow`,
    pitfall: "when on, a full accept queue answers with RST, so a short burst looks like a server that is down",
    read: ({ abortOnOverflow: value }) => value,
    needs: () => undefined,
  }),
};

export const netdevBacklog: Limit = {
  ...rateLimit({
    id: "netdev-max-backlog",
    name: "net.core.netdev_max_backlog",
    unit: "entries",
    side: "both",
    source: "Linux admin-guide/sysctl/net.rst, netdev_max_backlog",
    pitfall: "loopback and veth use it too; drops show only in the second column of /proc/net/softnet_stat",
    read: ({ netdevBacklog: value }) => value,
    // How much is needed depends on how the cores share the work, so only drops during a run are conclusive.
    needs: () => undefined,
  }),
  scope: "host",
};

export const deviceQueue: Limit = {
  id: "tun-txqueuelen",
  name: "txqueuelen of fourtuple's TUN device",
  unit: "entries",
  scope: "process",
  caps: "rate",
  side: "client",
  source: "man 8 ip-link, txqueuelen; Linux networking/tuntap.rst",
  change: "fewer handshakes in flight (--concurrency); ip link set dev fourtuple0 txqueuelen, while a run lasts",
  privilege: "CAP_NET_ADMIN",
  pitfall: "packets beyond it are dropped and sent again; `ip -s link show fourtuple0` counts them under TX dropped",
  read: () => TX_QUEUE_LENGTH,
  needs: (_, load) => (load.transport === "packet" && load.role !== "server" ? load.burst : undefined),
};

type Rate = Pick<Limit, "id" | "name" | "unit" | "side" | "source" | "pitfall"> & {
  read(facts: HostReadings): number | undefined;
  needs(facts: HostFacts, load: Load): number | undefined;
};

function rateLimit(limit: Rate): Limit {
  return {
    scope: "namespace",
    caps: "rate",
    change: `sysctl ${limit.name}`,
    privilege: "CAP_NET_ADMIN",
    sysctl: limit.name,
    ...limit,
  };
}
