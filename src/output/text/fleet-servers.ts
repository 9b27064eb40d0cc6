// Formats a fleet that serves as text: where its agents listen, its progress and its summary.
import type { FleetServer, ServerFleetReport } from "../../results/fleet/servers.js";
import { formatBound } from "../../util/bound.js";
import { printableData } from "../../util/printable.js";
import { formatCount, plural } from "../../util/units.js";
import { addressOf, SERVER_COLUMNS, serverCells } from "../sentences/fleet.js";
import { alignFigures } from "../terminal/table.js";
import { cut } from "./fleet.js";

/** An agent that listens. */
export interface Listening extends Pick<FleetServer, "name" | "address" | "addresses" | "ceiling" | "limit"> {}

/** Lists where the agents listen, and the command that connects to all of them. */
export function listeningText(run: string, of: readonly Listening[]): string {
  const agents = printableData(of);
  const rows = agents.map((agent) => [agent.name, addressOf(agent), formatBound(agent.ceiling), agent.limit ?? "-"]);
  const addresses = agents.filter(({ address }) => address !== undefined).map(addressOf);
  return [
    `run ${run}: ${plural(agents.length, "agent")} listening`,
    ...alignFigures([["agent", "address", "ceiling", "limit"], ...cut(rows)], "  "),
    `clients connect to: ${addresses.join(" ")}`,
  ].join("\n");
}

/** Returns the lines of a summary about the agents of a run. */
export function serverFleetLines({ run, agents }: ServerFleetReport): string[] {
  return [
    `run ${run} on ${plural(agents.length, "agent")}`,
    ...alignFigures([SERVER_COLUMNS, ...cut(agents.map(serverCells))], "  "),
  ];
}

/** Returns the row of each agent below a live line. */
export function serverRows(
  rows: readonly {
    readonly name: string;
    readonly state: string;
    readonly address: string;
    readonly open: number;
    readonly accepted: number;
  }[],
): string[] {
  return alignFigures(
    cut(
      printableData(rows).map(({ name, state, address, open, accepted }) => [
        name,
        address,
        `open ${formatCount(open)}`,
        `accepted ${formatCount(accepted)}`,
        state,
      ]),
    ),
    "  ",
  );
}
