// `fourtuple ports` when it runs: chooses what is read and how it is shown.

import { print, printFile, say } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import type { Conditions } from "../../output/text/ports/headline.js";
import type { PortExtras } from "../../output/text/ports/summary.js";
import type { SocketFilter } from "../../socket-table/summary.js";
import { AppError } from "../../util/errors.js";
import { printableJson } from "../../util/printable.js";
import { enterNamespace, type NamespaceOptions } from "./netns.js";
import { sayReadNote } from "./notes.js";
import { checkPressureOptions, readPressure } from "./pressure.js";
import { checkZones, type FilterOptions, type PortTarget, parseTarget, toFilter, toQuery } from "./query.js";

export interface PortsCommandOptions extends FilterOptions, NamespaceOptions {
  readonly listening?: boolean;
  readonly pressure?: boolean;
  readonly top: number;
  readonly list?: boolean;
  readonly header: boolean;
  readonly watch?: boolean;
  readonly process?: boolean;
  readonly metrics?: boolean;
  readonly failAbove?: number;
  readonly json?: boolean;
  readonly map?: string | true;
}

type Options = PortsCommandOptions;

/** Endpoints that accepted connections, to be summed up; more than a host has addresses. */
const ALL = 100_000;

/** @returns the exit code */
export async function runPorts(at: string | undefined, options: Options): Promise<number> {
  if (!options.header && !options.list) {
    throw new AppError("E_OPTION", "--no-header without --list", {
      fix: "add --list: it alone prints rows for a pipe",
    });
  }
  checkPressureOptions(options);
  // Before a name is looked up: what the namespace has to say of it is not asked for, the resolver keeps its own.
  enterNamespace(options);
  const target = at === undefined ? undefined : await parseTarget(at);
  if (options.peer !== undefined) await checkZones(options.peer);
  if (options.list) {
    const { listSockets } = await import("./list.js");
    const rows = toQuery(target, { ...options, ...(options.listening && { state: listenOnly(options) }) });
    const listed = await listSockets(rows, {
      memory: !!options.memory,
      process: !!options.process,
      header: options.header,
    });
    const code = exitCode(listed, target, options);
    // Rows may be read by a program: what is said of none goes beside them.
    if (code !== 0) say(await nothing(target, options));
    return code;
  }
  if (options.map !== undefined) {
    const { checkMapFile, drawMap } = await import("./map.js");
    const drawn = await drawMap(target, toQuery(target, options), checkMapFile(options.map));
    if (drawn === 0) print(await nothing(target, options));
    return drawn === 0 ? 1 : 0;
  }
  if (!options.watch) {
    const { text, sockets, isAbove } = await read(target, options);
    if (isForPrograms(options)) printFile(`${text}\n`);
    else print(text);
    return isAbove ? 1 : exitCode(sockets, target, options);
  }
  const { watch } = await import("./watch.js");
  const readText = async (rates: PortExtras["rates"]) => (await read(target, options, rates)).text;
  return watch(toQuery(target, options), readText, isForPrograms(options));
}

function isForPrograms({ json, metrics }: Options): boolean {
  return Boolean(json || metrics);
}

/** @throws {AppError} E_OPTION when other states are asked for as well */
function listenOnly({ state }: Options): readonly ["LISTEN"] {
  if (state?.some((name) => name !== "LISTEN")) {
    throw new AppError("E_OPTION", "--list --listening shows sockets in LISTEN: --state asks for others", {
      fix: "give one of the two: --listening, or --state listen,established",
    });
  }
  return ["LISTEN"];
}

/** One reading as text, and how many sockets it is about. */
async function read(
  target: PortTarget | undefined,
  options: Options,
  rates?: PortExtras["rates"],
): Promise<{ readonly text: string; readonly sockets: number; readonly isAbove?: boolean }> {
  const { top } = options;
  const paint = paintFor(process.stdout);
  const filter = { ...toFilter(target, options), top };
  if (options.pressure || options.metrics) return readPressure(filter, options);
  if (options.listening) return readListeners(target, options);
  const { socketTable } = await import("../../socket-table/summary.js");
  if (options.json) {
    const table = await socketTable(filter);
    await sayReadNote(table);
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
    await sayReadNote(local);
    if (!hasSockets({ local, remote })) return { text: await nothing(target, options), sockets: 0 };
    const pressure = remote.outgoing > 0 ? await pressureOf(target, options) : undefined;
    return { text: portText(target, { local, remote }, { ...extras, pressure }, paint), sockets: 1 };
  }
  const table = await socketTable(filter);
  await sayReadNote(table);
  if (table.sockets === 0 && exitCode(0, target, options) !== 0)
    return { text: await nothing(target, options), sockets: 0 };
  const pressure = await pressureOf(target, options);
  return { text: overviewText(table, { ...extras, pressure }, paint), sockets: table.sockets };
}

/** Sockets whose peer is the endpoint: one of --peer's, where that is given. */
function clientsOf({ ip, port }: PortTarget, { peer }: Options): SocketFilter {
  if (ip === undefined || peer === undefined) return { remotePort: port, remoteIp: ip ?? peer };
  // Both must hold of one address: the endpoint is the remote end, for it lies among the peers.
  return { ip, port, remotePort: port, remoteIp: peer };
}

async function readListeners(target: PortTarget | undefined, options: Options) {
  const { socketTable } = await import("../../socket-table/summary.js");
  const { listenerTable, ownersNote } = await import("../../output/text/ports/tables.js");
  const { overflows } = await import("../../output/text/ports/summary.js");
  // What a listener has accepted does not hang on --state.
  const table = await socketTable({ ...toFilter(target, options), states: undefined, top: ALL });
  await sayReadNote(table);
  const { listeners } = table;
  const owners = options.process
    ? await (await import("../../socket-table/listeners/owners.js")).readOwners()
    : undefined;
  const ownerOf = owners && ((inode: number) => owners.ownerOf(inode));
  if (options.json) {
    const { takenAt, elapsedMs, source, fallbackErrno, wasInterrupted, accepted, counters } = table;
    const rows = ownerOf ? listeners.map((row) => ({ ...row, owner: ownerOf(row.inode) ?? null })) : listeners;
    const head = { kind: "listeners", version: 1, takenAt, elapsedMs, source, fallbackErrno, wasInterrupted };
    return { text: printableJson({ ...head, listeners: rows, accepted, counters }), sockets: listeners.length };
  }
  const family = options[4] === options[6] ? "" : ` by IPv${options[4] ? 4 : 6}`;
  if (listeners.length === 0)
    return { text: `nothing listens on ${target ? describe(target) : "any TCP port"}${family}`, sockets: 0 };
  const lines = listenerTable(listeners, options.top, paintFor(process.stdout), ownerOf);
  const lost = overflows(table);
  const notes = [lost && `overflows: ${lost}`, owners && ownersNote(owners)].filter((note) => note !== undefined);
  const below = notes.length > 0 ? ["", ...notes.map((note) => `  ${note}`)] : [];
  return { text: [...lines.slice(1), ...below].join("\n"), sockets: listeners.length };
}

async function ownersOf(target: PortTarget | undefined, options: Options): Promise<PortExtras["owners"]> {
  if (!options.process) return undefined;
  return (await import("../../socket-table/listeners/owners.js")).countByOwner(toQuery(target, options));
}

async function pressureOf(target: PortTarget | undefined, options: Options): Promise<PortExtras["pressure"]> {
  const { pressure } = await import("../../socket-table/ports/pressure.js");
  return pressure({ ...toFilter(target, options), memory: false, top: options.top, connectionsOnly: true });
}

function conditions(options: FilterOptions): Conditions {
  return toFilter(undefined, options);
}

/** A host without sockets is an answer; a port or a filter without any is a miss. */
function exitCode(sockets: number, target: PortTarget | undefined, { state, peer, ...options }: Options): number {
  const isFiltered = state || peer || options[4] !== options[6];
  return sockets === 0 && (target || isFiltered) ? 1 : 0;
}

async function nothing(target: PortTarget | undefined, options: Options): Promise<string> {
  const { nothingText } = await import("../../output/text/ports/headline.js");
  return nothingText(target && describe(target), conditions(options));
}

function describe({ ip, name, ports }: PortTarget): string {
  return ip === undefined ? `${ports.first === ports.last ? "port" : "ports"} ${name}` : name;
}
