// Formats `ports --all-netns` as text: one row per network namespace, most sockets first.
import type { NamespaceRow, Namespaces } from "../../../results/sockets/namespaces.js";
import { printableData } from "../../../util/printable.js";
import { formatCount, plural } from "../../../util/units.js";
import type { Paint } from "../../terminal/paint.js";
import { pairName, percent } from "./pressure.js";
import { ownersNote, table } from "./tables.js";

const HEADER = ["network namespace", "sockets", "ESTABLISHED", "TIME_WAIT", "LISTEN", "opened", "fullest", "process"];

/** Returns the verdict on source ports, the table, and what could not be read. */
export function namespacesText(of: Namespaces, top: number, paint: Paint): string {
  const { namespaces, unreadable, isHiding } = printableData(of);
  const sockets = namespaces.reduce((sum, row) => sum + (row.sockets ?? 0), 0);
  const full = namespaces.filter(({ fullest }) => fullest?.isMarked);
  const refused = namespaces.filter(({ refusedErrno }) => refusedErrno !== undefined);
  const notes = [
    ...refused.map((row) => `${nameOf(row)} cannot be entered (${row.refusedErrno})`),
    ownersNote({ unreadable, isHiding }),
  ].filter((note) => note !== undefined);
  return [
    paint("bold", `${plural(sockets, "TCP socket")} in ${plural(namespaces.length, "network namespace")}`),
    ...full.map((row) => paint("bad", `${nameOf(row)}: ${fullestText(row)}`)),
    ...table(HEADER, namespaces.slice(0, top).map(cells), namespaces.length, paint),
    ...(notes.length > 0 ? ["", ...notes.map((note) => paint("dim", `  ${note}`))] : []),
  ].join("\n");
}

function cells(row: NamespaceRow): string[] {
  const { sockets, established, timeWait, listening, opened, fullest, process } = row;
  const counts = [sockets, established, timeWait, listening, opened];
  return [
    nameOf(row),
    ...counts.map((count) => (count === undefined ? "-" : formatCount(count))),
    fullest === undefined ? "-" : percent(fullest),
    process === undefined ? "-" : `${process.command} (${process.pid})`,
  ];
}

/**
 * Returns the name that tells most: the host name of a container or pod, a name from `ip netns`, or the name of its
 * cgroup.
 */
function nameOf({ isOwn, names, hostname, group, inode }: NamespaceRow): string {
  if (isOwn) return "this one";
  const known = [hostname, names[0], group].filter((name) => name !== undefined);
  if (known.length === 0) return `net:[${inode}]`;
  const [name, more] = known;
  return more === undefined ? name! : `${name} (${more})`;
}

function fullestText({ fullest }: NamespaceRow): string {
  const { inUse, capacity } = fullest!;
  return `${pairName(fullest!)} uses ${formatCount(inUse)} of ${formatCount(capacity)} source ports (${percent(fullest!)})`;
}
