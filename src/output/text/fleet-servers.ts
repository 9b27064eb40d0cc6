// Formats a fleet that serves as text: where its agents listen, its progress and its summary.
import type { FleetServer, ServerFleetReport } from "../../results/fleet/servers.js";
import { formatBound } from "../../util/bound.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { printableData } from "../../util/printable.js";
import { formatCount, plural } from "../../util/units.js";
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

/** Returns an address at which clients reach an agent: for a wildcard, the first one of its host. */
export function addressOf({ address, addresses }: Pick<FleetServer, "address" | "addresses">): string {
  if (address === undefined) return "-";
  const { ip, lastIp, port } = address;
  if (lastIp !== undefined) return formatEndpoint(`${ip}-${lastIp}`, port);
  if (ip !== "0.0.0.0" && ip !== "::") return formatEndpoint(ip, port);
  const isSix = ip === "::";
  const own = addresses.find((each) => each.includes(":") === isSix) ?? addresses[0];
  return formatEndpoint(own ?? (isSix ? "::1" : "127.0.0.1"), port);
}

/** Columns of the table of agents in summaries and reports. */
export const SERVER_COLUMNS = [
  "agent",
  "state",
  "address",
  "ceiling",
  "accepted",
  "peak open",
  "open at stop",
  "rejected",
];

/** Returns an agent's row, by SERVER_COLUMNS. */
export function serverCells(agent: FleetServer): string[] {
  return [
    agent.name,
    agent.state,
    addressOf(agent),
    formatBound(agent.ceiling),
    formatCount(agent.accepted),
    formatCount(agent.peakOpen),
    formatCount(agent.openAtStop),
    formatCount(agent.rejected),
  ];
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
