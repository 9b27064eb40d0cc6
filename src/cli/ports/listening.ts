// Runs `fourtuple ports --listening`: shows listeners with their accept queues and owners.
import { paintFor } from "../../output/terminal/paint.js";
import { printableJson } from "../../util/printable.js";
import { formatReadNote } from "./notes.js";
import type { PortsCommandOptions } from "./options.js";
import { toFilter } from "./query.js";
import { describeTarget, type PortTarget } from "./target.js";

/** Maximum number of listeners to read; higher than the number on any host. */
const ALL = 100_000;

/** Returns the listeners as text or JSON, and their number. */
export async function readListeners(
  target: PortTarget | undefined,
  options: PortsCommandOptions,
): Promise<{ readonly text: string; readonly sockets: number }> {
  const { socketTable } = await import("../../socket-table/summary.js");
  const { listenerTable, ownersNote } = await import("../../output/text/ports/tables.js");
  const { overflows } = await import("../../output/text/ports/summary.js");
  // --state selects listeners, not the connections that they have accepted.
  const table = await socketTable({ ...toFilter(target, options), states: undefined, top: ALL });
  await formatReadNote(table);
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
    return { text: `nothing listens on ${target ? describeTarget(target) : "any TCP port"}${family}`, sockets: 0 };
  const lines = listenerTable(listeners, options.top, paintFor(process.stdout), ownerOf);
  const lost = overflows(table);
  const notes = [lost && `overflows: ${lost}`, owners && ownersNote(owners)].filter((note) => note !== undefined);
  const below = notes.length > 0 ? ["", ...notes.map((note) => `  ${note}`)] : [];
  return { text: [...lines.slice(1), ...below].join("\n"), sockets: listeners.length };
}
