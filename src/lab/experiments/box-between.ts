// E10: a router between clients and server that tracks connections. Neither end has kernel sockets, so the table of this
// box is what fills up.
import { readConntrackStats } from "../../linux/proc/net-stats.js";
import type { Evidence } from "../../results/lab/evidence.js";
import { AppError } from "../../util/errors.js";
import { sum } from "../../util/share.js";
import { formatCount } from "../../util/units.js";
import { type Experiment, type LabContext, PORT } from "../experiment.js";
import { type ClientLoadResult, expectRoom, gather, startServer } from "../observe/client-load.js";
import { addBox, PACKET_CLIENT, PACKET_SERVER_IP, routeThrough } from "../observe/packet-routes.js";
import { socketsAt } from "../observe/sockets-at.js";
import { timelineOf } from "../observe/timeline.js";
import { commandOf, END_BY_HAND, reproduceBox } from "../reproduce.js";
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
  /** Number of the connections that fit into the table. */
  readonly fitting: number;
  /** Packets that the box dropped because its table was full. */
  readonly drops: number;
  /** Numbers for both ends together: kernel sockets, and entries in tables of their own. */
  readonly sockets: number;
  readonly entriesAtEnds: number;
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
    const { testbed, signal } = context;
    const at = `${PACKET_SERVER_IP}:${PORT}`;
    await using box = await addBox(testbed, signal);
    await using routes = await routeThrough(box, testbed);
    const { host: router } = box;
    await router.exec("nft", [RULES]);
    const max = await numberIn(router, MAX);
    const before = await numberIn(router, COUNT);
    const connections = sizeFor(context, max - before);
    const fitting = Math.min(connections, Math.max(0, max - before));
    const prediction = `${formatCount(fitting)} of ${formatCount(connections)} connections, each an entry in the box's table of ${formatCount(max)}; no sockets at either end`;
    const dropsBefore = await dropsIn(router);
    // A greeting and its ACK would make two fifths of the packets, and no difference to the table.
    const server = await startServer({ testbed }, at, ["--transport", "packet", "--mode", "discard", "--log", "none"]);
    const args = [at, ...PACKET_CLIENT, "-c", `${connections}`, "--connect-timeout", CONNECT_TIMEOUT];
    const clientLoad = await gather(context, args);
    const during = await numberIn(router, COUNT);
    const ends = [testbed.server, testbed.client];
    // Only at this server's address: sockets of other experiments may still be closing.
    const states = await Promise.all(ends.map((host) => socketsAt(host, at)));
    const sockets = sum(states.flatMap((byState) => Object.values(byState)));
    const entriesAtEnds = sum(await Promise.all(ends.map((host) => numberIn(host, COUNT))));
    const drops = (await dropsIn(router)) - dropsBefore;
    const result = await clientLoad.end();
    await server.end();
    const seen: Seen = { connections, max, before, during, fitting, drops, sockets, entriesAtEnds, result };
    const byHand = reproduceBox(box);
    return {
      setup:
        "clients and a server whose TCP is fourtuple's own (--transport packet), and a router between their hosts, which tracks connections because of a firewall rule",
      commands: [
        ...byHand.make,
        ...routes.make,
        `$box nft '${RULES}'`,
        // The kernel does not know that this server listens, but its first line says so.
        server.command.replace(/^(.*) & listening \d+$/, 'coproc $1; read -r <&"$COPROC"'),
        `${commandOf(["connect", ...args, "-T", "1m"])} &`,
        `until [ "$($box sysctl -n ${COUNT})" -ge ${fitting} ]; do sleep 0.1; done`,
        // Connections in addition to those that fit are dropped until they time out.
        ...(fitting < connections ? [`sleep ${CONNECT_TIMEOUT}`] : []),
        `$box sysctl ${COUNT} ${MAX}`,
        "$box cat /proc/net/stat/nf_conntrack",
        END_BY_HAND,
        ...routes.remove,
        ...byHand.remove,
      ],
      prediction,
      observed: `${formatCount(result.established)} connections; ${formatCount(during - before)} new entries; ${formatCount(drops)} packets dropped because the table was full; ${formatCount(sockets)} sockets at both ends`,
      ...judge(seen),
      evidence: evidenceOf(seen),
    };
  },
};

function sizeFor({ requested, isQuick, isSelected }: LabContext, room: number): number {
  if (typeof requested === "number") return requested;
  if (isQuick) return QUICK;
  const fills = requested === "max" || isSelected || room <= MOST_BY_DEFAULT;
  return fills ? room + BEYOND : DEFAULT;
}

function judge(seen: Seen): Pick<Awaited<ReturnType<Experiment["run"]>>, "verdict" | "reason" | "isTimed"> {
  const { connections, max, before, during, fitting, drops, sockets, result } = seen;
  if (sockets > 0) return { verdict: "refuted", reason: "the kernel has sockets for these connections" };
  const isFull = fitting < connections;
  const isNear = (value: number) => Math.abs(value - fitting) <= fitting * TOLERANCE;
  const isConfirmed = isNear(result.established) && isNear(during - before) && (isFull ? drops > 0 : drops === 0);
  if (!isConfirmed) {
    // Another limit of this host may have come first.
    if (drops === 0) expectRoom(result);
    const reason = `${formatCount(fitting)} entries were predicted, and the table grew by ${formatCount(during - before)}`;
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

function evidenceOf(seen: Seen): Evidence[] {
  const { connections, max, before, during, fitting, drops, sockets, entriesAtEnds, result } = seen;
  return [
    {
      kind: "table",
      title: "Connections, and where they take up room",
      columns: ["", "number"],
      rows: [
        ["requested", connections],
        ["predicted", fitting],
        ["ESTABLISHED", result.established],
        ["failed", result.failed],
        ["entries in the box's table", during - before],
        [`size of that table (${MAX})`, max],
        ["packets dropped because it was full", drops],
        ["kernel sockets, server and client", sockets],
        ["entries in tables of server and client", entriesAtEnds],
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
