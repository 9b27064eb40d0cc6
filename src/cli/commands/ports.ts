// `fourtuple ports`: the kernel's socket table. Who shares a port, how near each destination is to running out.
import { Option } from "commander";
import { formatCount } from "../../base/units.js";
import type { SocketTable } from "../../ports/summary.js";
import { paintFor } from "../../ui/paint.js";
import type { PortExtras } from "../../ui/ports-text.js";
import type { AddCommand } from "../add-command.js";
import { countFor } from "../parse.js";
import {
  addStates,
  checkPeer,
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
    .option("--listening", "the listeners with their accept queues")
    .option("--pressure", "source ports taken and left for each destination")
    .option("--top <n>", "rows of each table (default: 10)", countFor("--top", ALL), TOP)
    .addOption(new Option("--list", "every socket a row, for a pipe").conflicts(["json", "map", "watch", "pressure"]))
    .addOption(new Option("--watch", "again each second, with rates").conflicts("map"))
    .option("--process", "who owns the listeners and the sockets")
    .option("--memory", "the kernel's memory for each socket's buffers")
    .addOption(new Option("--map [file]", "draw the ports: a file .svg or .html, or the terminal").conflicts("json"))
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
  if (options.list) {
    const { listSockets } = await import("../ports-list.js");
    const states = options.listening ? (["LISTEN"] as const) : options.state;
    const query = toQuery(target, { ...options, ...(states && { state: states }) });
    return exitCode(
      await listSockets(query, { memory: !!options.memory, process: !!options.process }),
      target,
      options,
    );
  }
  if (options.map !== undefined) {
    const { checkMapFile, drawMap } = await import("../ports-map.js");
    const drawn = await drawMap(target, toQuery(target, options), checkMapFile(options.map));
    if (drawn === 0) await sayNothing(target);
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
    await sayNote(result);
    if (options.json) return { text: JSON.stringify(result), sockets: result.outgoing };
    return { text: pressureText(result, top, paint), sockets: result.outgoing };
  }
  const { socketTable } = await import("../../ports/summary.js");
  if (options.json) {
    const table = await socketTable(filter);
    const owners = await ownersOf(target, options);
    return {
      text: JSON.stringify({ ...table, ...(owners && { owners }), ...(rates && { rates }) }),
      sockets: countOf(table),
    };
  }
  const { hasSockets, nothingText, overviewText, portText } = await import("../../ui/ports-text.js");
  if (options.listening) return readListeners(target, options);
  const extras = { top, rates, owners: await ownersOf(target, options) };
  if (target) {
    const { port: _port, ip: _ip, ...others } = filter;
    const local = await socketTable({ ...others, localPort: target.port, localIp: target.ip, top: ALL });
    const remote = await socketTable({ ...others, remotePort: target.port, remoteIp: target.ip ?? options.peer });
    await sayNote(local);
    if (!hasSockets({ local, remote })) return { text: nothingText(describe(target)), sockets: 0 };
    const pressure = remote.outgoing > 0 ? await pressureOf(target, options) : undefined;
    return { text: portText(target, { local, remote }, { ...extras, pressure }, paint), sockets: 1 };
  }
  const table = await socketTable(filter);
  await sayNote(table);
  const pressure = await pressureOf(target, options);
  return { text: overviewText(table, { ...extras, pressure }, paint), sockets: countOf(table) };
}

async function readListeners(target: PortTarget | undefined, options: Options) {
  const { socketTable } = await import("../../ports/summary.js");
  const { listenerTable } = await import("../../ui/ports-tables.js");
  const table = await socketTable({ ...toFilter(target, options), top: ALL });
  await sayNote(table);
  const owners = options.process ? await (await import("../../ports/owners.js")).readOwners() : undefined;
  const ownerOf = owners && ((inode: number) => owners.ownerOf(inode));
  const lines = listenerTable(table.listeners, options.top, paintFor(process.stdout), ownerOf);
  const { listenOverflows, listenDrops } = table.counters;
  const overflows = `  since boot, all listeners: ${formatCount(listenOverflows)} overflows of accept queues, ${formatCount(listenDrops)} SYNs dropped`;
  if (lines.length === 0)
    return { text: `nothing listens on ${target ? describe(target) : "any TCP port"}`, sockets: 0 };
  return { text: [...lines.slice(1), "", overflows].join("\n"), sockets: table.listeners.length };
}

async function ownersOf(target: PortTarget | undefined, options: Options): Promise<PortExtras["owners"]> {
  if (!options.process) return undefined;
  return (await import("../../ports/owners.js")).countByOwner(toQuery(target, options));
}

async function pressureOf(target: PortTarget | undefined, options: Options): Promise<PortExtras["pressure"]> {
  const { pressure } = await import("../../ports/pressure.js");
  return pressure({ ...toFilter(target, options), memory: false, top: options.top });
}

function countOf({ sockets, listeners }: SocketTable): number {
  return sockets + listeners.length;
}

/** A host without sockets is an answer; a port or a filter without any is a miss. */
function exitCode(sockets: number, target: PortTarget | undefined, { state, peer }: Options): number {
  return sockets === 0 && (target || state || peer) ? 1 : 0;
}

async function sayNote(read: { fallbackErrno: string | undefined; wasInterrupted: boolean }): Promise<void> {
  const { readNote } = await import("../../ui/ports-text.js");
  const note = readNote(read);
  if (note) process.stderr.write(`${note}\n`);
}

async function sayNothing(target: PortTarget | undefined): Promise<void> {
  const { nothingText } = await import("../../ui/ports-text.js");
  process.stdout.write(`${target ? nothingText(describe(target)) : "no TCP socket passes the filter"}\n`);
}

function describe({ ip, name, port }: PortTarget): string {
  return ip === undefined ? `port ${port}` : name;
}
