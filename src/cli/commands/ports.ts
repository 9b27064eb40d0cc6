// `fourtuple ports`: the kernel's socket table. Who shares a port, how near each destination is to running out.
import { Option } from "commander";
import { AppError } from "../../base/errors.js";
import type { SocketFilter } from "../../ports/summary.js";
import { paintFor } from "../../ui/paint.js";
import type { Conditions } from "../../ui/ports-headline.js";
import type { PortExtras } from "../../ui/ports-text.js";
import type { AddCommand } from "../add-command.js";
import { countFor } from "../parse.js";
import { sayReadNote } from "../ports-notes.js";
import {
  addStates,
  checkPeer,
  checkZones,
  type FilterOptions,
  type PortTarget,
  parseTarget,
  toFilter,
  toQuery,
} from "../ports-query.js";

interface Options extends FilterOptions {
  readonly listening?: boolean;
  readonly pressure?: boolean;
  readonly top: number;
  readonly list?: boolean;
  readonly watch?: boolean;
  readonly process?: boolean;
  readonly json?: boolean;
  readonly map?: string | true;
}

const EXAMPLES = `
Examples:
  fourtuple ports :7777                        who shares port 7777, and what accept did not spend
  fourtuple ports                              by state, port, peer and destination; accept queues
  fourtuple ports :7777 --map ports.svg        a picture: 256 x 256 ports of each address
  fourtuple ports --pressure --watch           how near each destination is to running out
  fourtuple ports --list --state time-wait | wc -l`;

const TOP = 10;
/** Endpoints that accepted connections, to be summed up; more than a host has addresses. */
const ALL = 100_000;

export const addPorts: AddCommand = (program, finish) => {
  program
    .command("ports")
    .usage("[options] [host:port]")
    .summary("the kernel's socket table: who shares a port, what runs out")
    .description(
      "Reads the kernel's TCP socket table. With :7777, both ends of every connection of that port, at any\naddress of this host; with 127.0.0.1:7777 at that one. Without, the host's sockets in sum.",
    )
    .argument("[host:port]")
    .option("--state <names>", "in these states only: established, time-wait, ... (repeatable)", addStates)
    .option("--peer <address>", "to these peers only: an address, a list, a range or CIDR", checkPeer)
    .addOption(
      new Option("--listening", "the listeners with their accept queues").conflicts(["pressure", "map", "memory"]),
    )
    .addOption(
      new Option("--pressure", "source ports taken and left for each destination").conflicts(["process", "memory"]),
    )
    .option("--top <n>", "rows of each table (default: 10)", countFor("--top", ALL), TOP)
    .addOption(
      new Option("--list", "every socket a row, for a pipe").conflicts(["json", "map", "watch", "pressure", "top"]),
    )
    .addOption(new Option("--watch", "again each second, with rates").conflicts("map"))
    .option("--process", "who owns the listeners and the sockets")
    .option("--memory", "the kernel's memory for each socket's buffers")
    .addOption(
      new Option("--map [file]", "draw the ports: a file .svg or .html, or the terminal").conflicts([
        "json",
        "pressure",
        "process",
        "memory",
        "top",
      ]),
    )
    .option("--json", "one JSON object")
    .option("-4", "IPv4 sockets only")
    .option("-6", "IPv6 sockets only")
    .addHelpText("after", EXAMPLES)
    .action(async (at: string | undefined, options: Options) => {
      finish(await runPorts(at, options));
    });
};

async function runPorts(at: string | undefined, options: Options): Promise<number> {
  const target = at === undefined ? undefined : await parseTarget(at);
  if (options.peer !== undefined) await checkZones(options.peer);
  if (options.list) {
    const { listSockets } = await import("../ports-list.js");
    const rows = toQuery(target, { ...options, ...(options.listening && { state: listenOnly(options) }) });
    const listed = await listSockets(rows, { memory: !!options.memory, process: !!options.process });
    const code = exitCode(listed, target, options);
    // Rows may be read by a program: what is said of none goes beside them.
    if (code !== 0) process.stderr.write(`${await nothing(target, options)}\n`);
    return code;
  }
  if (options.map !== undefined) {
    const { checkMapFile, drawMap } = await import("../ports-map.js");
    const drawn = await drawMap(target, toQuery(target, options), checkMapFile(options.map));
    if (drawn === 0) process.stdout.write(`${await nothing(target, options)}\n`);
    return drawn === 0 ? 1 : 0;
  }
  if (!options.watch) {
    const { text, sockets } = await read(target, options);
    process.stdout.write(`${text}\n`);
    return exitCode(sockets, target, options);
  }
  const { watch } = await import("../ports-watch.js");
  return watch(toQuery(target, options), async (rates) => (await read(target, options, rates)).text);
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
): Promise<{ readonly text: string; readonly sockets: number }> {
  const { top } = options;
  const paint = paintFor(process.stdout);
  const filter = { ...toFilter(target, options), top };
  if (options.pressure) {
    const { pressure } = await import("../../ports/pressure.js");
    const { pressureText } = await import("../../ui/ports-tables.js");
    const result = await pressure(filter);
    await sayReadNote(result);
    if (options.json) return { text: JSON.stringify(result), sockets: result.outgoing };
    return { text: pressureText(result, top, paint), sockets: result.outgoing };
  }
  if (options.listening) return readListeners(target, options);
  const { socketTable } = await import("../../ports/summary.js");
  if (options.json) {
    const table = await socketTable(filter);
    await sayReadNote(table);
    const owners = await ownersOf(target, options);
    return {
      text: JSON.stringify({ ...table, ...(owners && { owners }), ...(rates && { rates }) }),
      sockets: table.sockets,
    };
  }
  const { hasSockets, overviewText, portText } = await import("../../ui/ports-text.js");
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
  const { socketTable } = await import("../../ports/summary.js");
  const { listenerTable, ownersNote } = await import("../../ui/ports-tables.js");
  const { overflows } = await import("../../ui/ports-text.js");
  // What a listener has accepted does not hang on --state.
  const table = await socketTable({ ...toFilter(target, options), states: undefined, top: ALL });
  await sayReadNote(table);
  const { listeners } = table;
  const owners = options.process ? await (await import("../../ports/owners.js")).readOwners() : undefined;
  const ownerOf = owners && ((inode: number) => owners.ownerOf(inode));
  if (options.json) {
    const { takenAt, elapsedMs, source, fallbackErrno, wasInterrupted, accepted, counters } = table;
    const rows = ownerOf ? listeners.map((row) => ({ ...row, owner: ownerOf(row.inode) ?? null })) : listeners;
    const head = { kind: "listeners", version: 1, takenAt, elapsedMs, source, fallbackErrno, wasInterrupted };
    return { text: JSON.stringify({ ...head, listeners: rows, accepted, counters }), sockets: listeners.length };
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
  return (await import("../../ports/owners.js")).countByOwner(toQuery(target, options));
}

async function pressureOf(target: PortTarget | undefined, options: Options): Promise<PortExtras["pressure"]> {
  const { pressure } = await import("../../ports/pressure.js");
  return pressure({ ...toFilter(target, options), memory: false, top: options.top });
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
  const { nothingText } = await import("../../ui/ports-headline.js");
  return nothingText(target && describe(target), conditions(options));
}

function describe({ ip, name, ports }: PortTarget): string {
  return ip === undefined ? `${ports.first === ports.last ? "port" : "ports"} ${name}` : name;
}
