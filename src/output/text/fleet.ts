// Formats what concerns a fleet as text: its agents, its runs, the deal before a run, and the agents of a result.

import type { Dealt } from "../../fleet/coordinator/dealing/deal.js";
import type { Announcement, RunState } from "../../fleet/messages.js";
import type { KeptRun } from "../../fleet/runs.js";
import type { FleetReport } from "../../results/fleet/fleet.js";
import { UNLIMITED } from "../../util/bound.js";
import { printableData } from "../../util/printable.js";
import { formatBytes, formatCount, plural } from "../../util/units.js";
import { CLIENT_COLUMNS, clientCells, describeStart } from "../sentences/fleet.js";
import { alignFigures } from "../terminal/table.js";

const ADDRESSES_SHOWN = 3;
/** Longer tables are cut to their first and last rows. */
const MOST_ROWS = 24;
const FIRST_ROWS = 16;
const LAST_ROWS = 4;

/** Lists agents, as `fleet agents` shows them. */
export function agentTable(of: readonly Announcement[]): string {
  const agents = printableData(of);
  if (agents.length === 0) return "no agents answered; start one on each machine: fourtuple agent --nats URL";
  const rows = agents.map(({ name, id, version, cores, memoryBytes, addresses, run }) => [
    name,
    id,
    version,
    formatCount(cores),
    formatBytes(memoryBytes),
    run === undefined ? "idle" : `run ${run}`,
    addresses.length > ADDRESSES_SHOWN
      ? `${addresses.slice(0, ADDRESSES_SHOWN).join(", ")} and ${addresses.length - ADDRESSES_SHOWN} more`
      : addresses.join(", ") || "loopback only",
  ]);
  return alignFigures([["agent", "id", "version", "cores", "memory", "state", "addresses"], ...rows]).join("\n");
}

/** Lists runs, as `fleet runs` shows them. */
export function runTable(current: readonly RunState[], kept: readonly KeptRun[]): string {
  if (current.length + kept.length === 0) return "no runs";
  const rows = [
    ...printableData(current).map(({ run, startedAt, requested, open, agents, stage }) => [
      run,
      startedAt,
      requested === undefined ? "-" : formatCount(requested),
      `in progress (${stage}): ${formatCount(open)} open on ${plural(agents, "agent")}`,
    ]),
    ...printableData(kept).map(({ run, startedAt, requested, hasResult }) => [
      run,
      startedAt ?? "-",
      requested === undefined ? "-" : formatCount(requested),
      hasResult ? "ended" : "lost its coordinator; fleet result merges what its agents have delivered",
    ]),
  ];
  return alignFigures([["run", "started", "requested", "state"], ...rows]).join("\n");
}

/** Shows who opens how many connections, before the run starts. */
export function dealText(run: string, of: readonly Dealt[]): string {
  const dealt = printableData(of);
  const rows = dealt.map(({ agent, connections, ceiling, sourcePorts }) => [
    agent.name,
    formatCount(connections),
    ceiling.connections >= UNLIMITED ? "unlimited" : formatCount(ceiling.connections),
    ceiling.limit ?? "-",
    sourcePorts === undefined
      ? "all"
      : sourcePorts === "kernel"
        ? "kernel"
        : `${sourcePorts.first}-${sourcePorts.last}`,
  ]);
  const total = dealt.reduce((sum, { connections }) => sum + connections, 0);
  return [
    `run ${run}: ${plural(dealt.length, "agent")}, ${plural(total, "connection")}`,
    ...alignFigures([["agent", "connections", "ceiling", "limit", "source ports"], ...cut(rows)], "  "),
  ].join("\n");
}

/** Keeps the first and last rows of a long table. */
export function cut(rows: string[][]): string[][] {
  if (rows.length <= MOST_ROWS) return rows;
  const left = [`… ${formatCount(rows.length - FIRST_ROWS - LAST_ROWS)} more`, ...rows[0]!.slice(1).map(() => "")];
  return [...rows.slice(0, FIRST_ROWS), left, ...rows.slice(-LAST_ROWS)];
}

/** Returns the lines of a summary about the agents of a run. */
export function fleetLines(fleet: FleetReport): string[] {
  const { run, agents } = fleet;
  const start = describeStart(fleet);
  return [
    `run ${run} on ${plural(agents.length, "agent")}${start === undefined ? "" : `, which ${start}`}`,
    ...alignFigures([CLIENT_COLUMNS, ...cut(agents.map(clientCells))], "  "),
  ];
}

/** Returns the row of each agent below a live line. */
export function agentRows(
  rows: readonly {
    readonly name: string;
    readonly state: string;
    readonly requested: number;
    readonly open: number;
    readonly failed: number;
  }[],
): string[] {
  return alignFigures(
    cut(
      printableData(rows).map(({ name, state, requested, open, failed }) => [
        name,
        `${formatCount(open)} of ${formatCount(requested)} open`,
        `failed ${formatCount(failed)}`,
        state,
      ]),
    ),
    "  ",
  );
}
