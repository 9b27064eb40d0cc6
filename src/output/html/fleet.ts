// The section of a report about the agents of a run that was divided among several machines.
import type { FleetAgent, FleetReport } from "../../results/fleet/fleet.js";
import type { ServerFleetReport } from "../../results/fleet/servers.js";
import { formatBound } from "../../util/bound.js";
import { formatCount, formatDuration, plural } from "../../util/units.js";
import { describeSkew } from "../text/fleet.js";
import { SERVER_COLUMNS, serverCells } from "../text/fleet-servers.js";
import { drawTable } from "./evidence.js";
import { html, type Markup } from "./markup.js";

const COLUMNS = ["agent", "state", "requested", "ceiling", "established", "failed", "lost", "first connect()"];

export function fleetSection(fleet: FleetReport | undefined): Markup | undefined {
  if (!fleet) return undefined;
  const { agents, startSkewMs, isPartial, missing } = fleet;
  const rows = agents.map((agent) => [
    agent.name,
    agent.state,
    formatCount(agent.requested),
    formatBound(agent.ceiling),
    formatCount(agent.established),
    formatCount(agent.failed),
    formatCount(agent.lost),
    agent.startMs === undefined ? "-" : `+${formatDuration(Math.max(0, agent.startMs))}`,
  ]);
  const partial = isPartial ? ` ${formatCount(missing)} connections are missing.` : "";
  return html`<section aria-labelledby="fleet"><h2 id="fleet">${plural(agents.length, "agent")}</h2>
<p>They started ${describeSkew(startSkewMs)}.${partial}</p>
${drawTable({ title: "By agent", columns: COLUMNS, rows })}
${agents.map(describe)}</section>`;
}

export function serverFleetSection(fleet: ServerFleetReport | undefined): Markup | undefined {
  if (!fleet) return undefined;
  const { agents } = fleet;
  const rows = agents.map(serverCells);
  return html`<section aria-labelledby="fleet"><h2 id="fleet">${plural(agents.length, "agent")}</h2>
${drawTable({ title: "By agent", columns: SERVER_COLUMNS, rows })}
${agents.map(describe)}</section>`;
}

type Described = Pick<FleetAgent, "name" | "version" | "cores" | "finding" | "failures" | "reason">;

function describe({ name, version, cores, finding, failures, reason }: Described): Markup {
  const kinds = failures.map(({ phase, errno, count }) => `${formatCount(count)} ${errno} in ${phase}`).join(", ");
  const facts = [finding, reason, kinds === "" ? undefined : kinds].filter((fact) => fact !== undefined);
  return html`<p>${name}: ${plural(cores, "core")}, fourtuple ${version}${facts.map((fact) => `; ${fact}`).join("")}</p>`;
}
