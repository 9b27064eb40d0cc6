// Reads the socket table once for `fourtuple ports` and formats one of its views: pressure, listeners, JSON, both sides
// of a port, or a summary of the host.
import { paintFor } from "../../output/terminal/paint.js";
import type { PortExtras } from "../../output/text/ports/summary.js";
import type { Pressure } from "../../results/sockets/pressure.js";
import type { SocketTable } from "../../results/sockets/socket-table.js";
import type { Churn } from "../../socket-table/churn.js";
import type { PressureOptions } from "../../socket-table/ports/pressure.js";
import type { SocketFilter } from "../../socket-table/summary.js";
import { printableJson } from "../../util/printable.js";
import { readListeners } from "./listening.js";
import { formatReadNote } from "./notes.js";
import { conditions, exitCodeFor, nothingFor } from "./nothing.js";
import type { PortsCommandOptions } from "./options.js";
import { readPressure } from "./pressure.js";
import { toFilter, toQuery } from "./query.js";
import type { PortTarget } from "./target.js";

/** Maximum number of endpoints to aggregate, which is larger than the number of addresses on any host. */
const ALL = 100_000;

/** Formatted view, and the number of sockets that it covers. */
export interface Reading {
  readonly text: string;
  readonly sockets: number;
  /** True if a destination is above --fail-above. */
  readonly isAbove?: boolean;
}

/** @param churn counts connections opened and closed since the previous pass */
export async function readAsText(
  target: PortTarget | undefined,
  options: PortsCommandOptions,
  churn?: Churn,
): Promise<Reading> {
  const { top } = options;
  const paint = paintFor(process.stdout);
  const filter = { ...toFilter(target, options), top };
  if (options.pressure || options.metrics) return readPressure(filter, options);
  if (options.listening) return readListeners(target, options);
  const { readOverview } = await import("../../socket-table/overview.js");
  if (options.json) {
    const { tables } = await readOverview({ cover: filter, tables: [filter], churn });
    const [table] = tables as [SocketTable];
    await formatReadNote(table);
    const owners = await ownersOf(target, options);
    const rates = churn?.rates();
    return {
      text: printableJson({ ...table, ...(owners && { owners }), ...(rates && { rates }) }),
      sockets: table.sockets,
    };
  }
  const { hasSockets, overviewText, portText } = await import("../../output/text/ports/summary.js");
  const extras = { top, filter: conditions(options), owners: await ownersOf(target, options) };
  const pressure = pressureFilter(target, options);
  // The pressure includes sockets of all states and, for IPv4, IPv4-mapped sockets, so a filter needs a pass of its
  // own.
  const isFiltered = filter.states !== undefined || filter.family !== undefined;
  const shared = { cover: filter, churn, pressure: isFiltered ? undefined : pressure };
  const pressureOf = async (read: Pressure | undefined) =>
    read ?? (await import("../../socket-table/ports/pressure.js")).pressure(pressure);
  if (target) {
    const { port, ip, ...others } = filter;
    const read = await readOverview({
      ...shared,
      tables: [
        { ...others, localPort: port, localIp: ip, endpointTop: ALL, withoutPorts: true },
        { ...others, ...clientsOf(target, options), endpointTop: ALL, withoutPorts: true },
      ],
    });
    const [local, remote] = read.tables as [SocketTable, SocketTable];
    const rates = churn?.rates();
    await formatReadNote(local);
    if (!hasSockets({ local, remote })) return { text: await nothingFor(target, options), sockets: 0 };
    const perDestination = remote.outgoing > 0 ? await pressureOf(read.pressure) : undefined;
    const more = { ...extras, rates, pressure: perDestination };
    return { text: portText(target, { local, remote }, more, paint), sockets: 1 };
  }
  const read = await readOverview({ ...shared, tables: [filter] });
  const [table] = read.tables as [SocketTable];
  const rates = churn?.rates();
  await formatReadNote(table);
  if (table.sockets === 0 && exitCodeFor(0, target, options) !== 0)
    return { text: await nothingFor(target, options), sockets: 0 };
  const more = { ...extras, rates, pressure: await pressureOf(read.pressure) };
  return { text: overviewText(table, more, paint), sockets: table.sockets };
}

/** Matches sockets whose peer is the endpoint, and one of --peer's addresses if given. */
function clientsOf({ ip, port }: PortTarget, { peer }: PortsCommandOptions): SocketFilter {
  if (ip === undefined || peer === undefined) return { remotePort: port, remoteIp: ip ?? peer };
  // Both conditions must hold for the same address, which is the remote end and one of the peers.
  return { ip, port, remotePort: port, remoteIp: peer };
}

async function ownersOf(target: PortTarget | undefined, options: PortsCommandOptions): Promise<PortExtras["owners"]> {
  if (!options.process) return undefined;
  return (await import("../../socket-table/listeners/owner-counts.js")).countByOwner(toQuery(target, options));
}

function pressureFilter(target: PortTarget | undefined, options: PortsCommandOptions): PressureOptions {
  return { ...toFilter(target, options), memory: false, top: options.top, connectionsOnly: true };
}
