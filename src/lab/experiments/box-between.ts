// E10: a box between clients and server that tracks connections. Neither end has kernel sockets, so the box's table is
// what fills up.
import { readConntrackStats } from "../../linux/proc/net-stats.js";
import type { Evidence } from "../../results/lab/evidence.js";
import { AppError } from "../../util/errors.js";
import { sum } from "../../util/share.js";
import { formatCount } from "../../util/units.js";
import { type Experiment, type LabContext, PORT } from "../experiment.js";
import { type ClientLoadResult, expectRoom, gather, startServer } from "../observe/client-load.js";
import { PACKET_CLIENT, PACKET_SERVER_IP, routePackets } from "../observe/packet-routes.js";
import { timelineOf } from "../observe/timeline.js";
import { commandOf, END_BY_HAND } from "../reproduce.js";
import type { Host } from "../testbed/host.js";

const QUICK = 30_000;
/** Connections requested in addition to those that fit; these must fail. */
const BEYOND = 500;
/** A larger table is filled only on request, because that takes longer than all other experiments. */
const MOST_BY_DEFAULT = 300_000;
const DEFAULT = 100_000;
const TOLERANCE = 0.02;
const CONNECT_TIMEOUT = "2s";
/** A rule that needs the state of connections makes the kernel track them. */
const RULES = "table ip lab { chain forward { type filter hook forward priority 0; ct state invalid drop; }; }";
const MAX = "net.netfilter.nf_conntrack_max";
const COUNT = "net.netfilter.nf_conntrack_count";

interface Seen {
  readonly connections: number;
  /** Size of the table, and number of entries before and during the run. */
  readonly max: number;
  readonly before: number;
  readonly during: number;
  /** Packets that the box dropped because its table was full. */
  readonly drops: number;
  readonly sockets: readonly number[];
  readonly result: ClientLoadResult;
}

export const boxBetween: Experiment = {
  id: "E10",
  title: "The box in between",
  claims: ["C4"],
  claim:
    "A firewall or NAT box that tracks connections has a limit of its own, and reaches it silently: neither end runs short of anything.",
  hasMax: true,
  quickMs: ({ connections }) => 6000 * Math.max(1, connections / 70_000),
  async run(context) {
    const { testbed } = context;
    const box = testbed.server;
    const at = `${PACKET_SERVER_IP}:${PORT}`;
    await using routes = await routePackets(testbed);
    await box.exec("nft", [RULES]);
    try {
      const max = await numberIn(box, MAX);
      const before = await numberIn(box, COUNT);
      const connections = sizeFor(context, max - before);
      const dropsBefore = await dropsIn(box);
      const server = await startServer({ testbed }, at, ["--transport", "packet", "--log", "none"]);
      const args = [at, ...PACKET_CLIENT, "-c", `${connections}`, "--connect-timeout", CONNECT_TIMEOUT];
      const clientLoad = await gather(context, args);
      const during = await numberIn(box, COUNT);
      const sockets = [await tcpSocketsIn(testbed.server), await tcpSocketsIn(testbed.client)];
      const drops = (await dropsIn(box)) - dropsBefore;
      const result = await clientLoad.end();
      await server.end();
      const seen: Seen = { connections, max, before, during, drops, sockets, result };
      return {
        setup: `clients and a server whose TCP is fourtuple's own (--transport packet); the server's host forwards between them, and tracks connections because of a firewall rule`,
        commands: [
          ...routes.make,
          `$server nft '${RULES}'`,
          // The kernel does not know that this server listens.
          server.command.replace(/ listening \d+$/, " sleep 2"),
          `${commandOf(["connect", ...args, "-T", "1m"])} & sleep 30`,
          `$server sysctl ${COUNT} ${MAX}`,
          "$server cat /proc/net/stat/nf_conntrack",
          END_BY_HAND,
          "$server nft delete table ip lab",
          ...routes.remove,
        ],
        prediction: `${formatCount(fitting(seen))} of ${formatCount(connections)} connections, each an entry in the box's table of ${formatCount(max)}; no sockets at either end`,
        observed: `${formatCount(result.established)} connections; ${formatCount(during - before)} new entries; ${formatCount(drops)} packets dropped because the table was full; ${formatCount(sum(sockets))} sockets at both ends`,
        ...judge(seen),
        evidence: evidenceOf(seen),
      };
    } finally {
      await box.exec("nft", ["delete", "table", "ip", "lab"]).catch(() => undefined);
    }
  },
};

function sizeFor({ requested, isQuick, isSelected }: LabContext, room: number): number {
  if (typeof requested === "number") return requested;
  if (isQuick) return QUICK;
  const fills = requested === "max" || isSelected || room <= MOST_BY_DEFAULT;
  return fills ? room + BEYOND : DEFAULT;
}

/** Returns how many of the connections fit into the table. */
function fitting({ connections, max, before }: Pick<Seen, "connections" | "max" | "before">): number {
  return Math.min(connections, Math.max(0, max - before));
}

function judge(seen: Seen): Pick<Awaited<ReturnType<Experiment["run"]>>, "verdict" | "reason" | "isTimed"> {
  const { connections, max, before, during, drops, sockets, result } = seen;
  if (sum(sockets) > 0) return { verdict: "refuted", reason: "the kernel has sockets for these connections" };
  const predicted = fitting(seen);
  const isFull = predicted < connections;
  const isNear = (value: number) => Math.abs(value - predicted) <= predicted * TOLERANCE;
  const isConfirmed = isNear(result.established) && isNear(during - before) && (isFull ? drops > 0 : drops === 0);
  if (!isConfirmed) {
    // Another limit of this host may have come first.
    if (drops === 0) expectRoom(result);
    const reason = `${formatCount(predicted)} entries were predicted, and the table grew by ${formatCount(during - before)}`;
    return { verdict: drops === 0 && isFull ? "inconclusive" : "refuted", reason, isTimed: true };
  }
  if (isFull) return { verdict: "confirmed", reason: undefined };
  const reason = `the table was not filled: it has room for ${formatCount(max - before)}; -c ${max - before + BEYOND} fills it`;
  return { verdict: "confirmed", reason };
}

/** @throws {AppError} E_PLATFORM if connections are not tracked here */
async function numberIn(host: Host, sysctl: string): Promise<number> {
  const text = await host.readSysctl(sysctl);
  if (text === undefined) {
    throw new AppError("E_PLATFORM", `${sysctl} does not exist: this kernel does not track connections`, {
      fix: "load the kernel's module: modprobe nf_conntrack",
    });
  }
  return Number(text);
}

async function dropsIn(host: Host): Promise<number> {
  const { drop = 0 } = readConntrackStats(await host.exec("cat", ["/proc/net/stat/nf_conntrack"]));
  return drop;
}

/** Returns the number of TCP sockets in use in a host. */
async function tcpSocketsIn(host: Host): Promise<number> {
  return Number(/^TCP: inuse (\d+)/m.exec(await host.exec("cat", ["/proc/net/sockstat"]))?.[1] ?? 0);
}

function evidenceOf(seen: Seen): Evidence[] {
  const { connections, max, before, during, drops, sockets, result } = seen;
  return [
    {
      kind: "table",
      title: "Connections, and where they take up room",
      columns: ["", "number"],
      rows: [
        ["requested", connections],
        ["predicted", fitting(seen)],
        ["ESTABLISHED", result.established],
        ["failed", result.failed],
        ["entries in the box's table", during - before],
        [`size of that table (${MAX})`, max],
        ["packets dropped because it was full", drops],
        ["kernel sockets, server and client", sum(sockets)],
      ],
    },
    timelineOf(result),
    {
      kind: "ceiling",
      title: "What the box allows",
      wanted: connections,
      limits: [{ name: MAX, allows: max - before, binds: true }],
      unnumbered: [],
    },
  ];
}
