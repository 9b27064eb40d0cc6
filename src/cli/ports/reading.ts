// Reads the socket table once for `fourtuple ports` and formats one of its views: pressure, listeners, JSON, both sides
// of a port, or a summary of the host.
import { paintFor } from "../../output/terminal/paint.js";
import type { PortExtras } from "../../output/text/ports/summary.js";
import type { SocketFilter } from "../../socket-table/summary.js";
import { printableJson } from "../../util/printable.js";
import { readListeners } from "./listening.js";
import { formatReadNote } from "./notes.js";
import { conditions, exitCodeFor, nothingFor } from "./nothing.js";
import type { PortsCommandOptions } from "./options.js";
import { readPressure } from "./pressure.js";
import { toFilter, toQuery } from "./query.js";
import type { PortTarget } from "./target.js";

/** Maximum number of endpoints to aggregate; larger than the number of addresses on any host. */
const ALL = 100_000;

/** Formatted view, and the number of sockets that it covers. */
interface Reading {
  readonly text: string;
  readonly sockets: number;
  /** True if a destination is above --fail-above. */
  readonly isAbove?: boolean;
}

/** @param rates connections opened and closed since the previous reading */
export async function readAsText(
  target: PortTarget | undefined,
  options: PortsCommandOptions,
  rates?: PortExtras["rates"],
): Promise<Reading> {
  const { top } = options;
  const paint = paintFor(process.stdout);
  const filter = { ...toFilter(target, options), top };
  if (options.pressure || options.metrics) return readPressure(filter, options);
  if (options.listening) return readListeners(target, options);
  const { socketTable } = await import("../../socket-table/summary.js");
  if (options.json) {
    const table = await socketTable(filter);
    await formatReadNote(table);
    const owners = await ownersOf(target, options);
    return {
      text: printableJson({ ...table, ...(owners && { owners }), ...(rates && { rates }) }),
      sockets: table.sockets,
    };
  }
  const { hasSockets, overviewText, portText } = await import("../../output/text/ports/summary.js");
  const extras = { top, rates, filter: conditions(options), owners: await ownersOf(target, options) };
  if (target) {
    const { port, ip, ...others } = filter;
    const local = await socketTable({ ...others, localPort: port, localIp: ip, top: ALL });
    const remote = await socketTable({ ...others, ...clientsOf(target, options), top: ALL });
    await formatReadNote(local);
    if (!hasSockets({ local, remote })) return { text: await nothingFor(target, options), sockets: 0 };
    const pressure = remote.outgoing > 0 ? await pressureOf(target, options) : undefined;
    return { text: portText(target, { local, remote }, { ...extras, pressure }, paint), sockets: 1 };
  }
  const table = await socketTable(filter);
  await formatReadNote(table);
  if (table.sockets === 0 && exitCodeFor(0, target, options) !== 0)
    return { text: await nothingFor(target, options), sockets: 0 };
  const pressure = await pressureOf(target, options);
  return { text: overviewText(table, { ...extras, pressure }, paint), sockets: table.sockets };
}

/** Matches sockets whose peer is the endpoint, and one of --peer's addresses if given. */
function clientsOf({ ip, port }: PortTarget, { peer }: PortsCommandOptions): SocketFilter {
  if (ip === undefined || peer === undefined) return { remotePort: port, remoteIp: ip ?? peer };
  // Both conditions must hold for the same address, which is the remote end and one of the peers.
  return { ip, port, remotePort: port, remoteIp: peer };
}

async function ownersOf(target: PortTarget | undefined, options: PortsCommandOptions): Promise<PortExtras["owners"]> {
  if (!options.process) return undefined;
  return (await import("../../socket-table/listeners/owners.js")).countByOwner(toQuery(target, options));
}

async function pressureOf(
  target: PortTarget | undefined,
  options: PortsCommandOptions,
): Promise<PortExtras["pressure"]> {
  const { pressure } = await import("../../socket-table/ports/pressure.js");
  return pressure({ ...toFilter(target, options), memory: false, top: options.top, connectionsOnly: true });
}
