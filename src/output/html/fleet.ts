// The section of a report about the agents of a run that was divided among several machines.
import type { FleetAgent, FleetReport } from "../../results/fleet/fleet.js";
import type { ServerFleetReport } from "../../results/fleet/servers.js";
import { formatCount, plural } from "../../util/units.js";
import { CLIENT_COLUMNS, clientCells, describeStart, SERVER_COLUMNS, serverCells } from "../sentences/fleet.js";
import { drawTable } from "./evidence.js";
import { html, type Markup } from "./markup.js";

export function fleetSection(fleet: FleetReport | undefined): Markup | undefined {
  if (!fleet) return undefined;
  const { agents, isPartial, missing } = fleet;
  const start = describeStart(fleet);
  const sentences = [
    ...(start === undefined ? [] : [`They ${start}.`]),
    "An agent's ceiling is how many of these connections it could hold, as it predicted before the start.",
    ...(isPartial ? [`${formatCount(missing)} connections are missing.`] : []),
  ].join(" ");
  return html`<section aria-labelledby="fleet"><h2 id="fleet">${plural(agents.length, "agent")}</h2>
${sentences && html`<p>${sentences}</p>`}
${drawTable({ title: "By agent", columns: CLIENT_COLUMNS, rows: agents.map(clientCells) })}
<div class="notes">${agents.map(describe)}</div></section>`;
}

export function serverFleetSection(fleet: ServerFleetReport | undefined): Markup | undefined {
  if (!fleet) return undefined;
  const { agents } = fleet;
  const rows = agents.map(serverCells);
  return html`<section aria-labelledby="fleet"><h2 id="fleet">${plural(agents.length, "agent")}</h2>
${drawTable({ title: "By agent", columns: SERVER_COLUMNS, rows })}
<div class="notes">${agents.map(describe)}</div></section>`;
}

type Described = Pick<FleetAgent, "name" | "version" | "cores" | "finding" | "failures" | "reason">;

function describe({ name, version, cores, finding, failures, reason }: Described): Markup {
  const kinds = failures.map(({ phase, errno, count }) => `${formatCount(count)} ${errno} in ${phase}`).join(", ");
  const facts = [finding, reason, kinds === "" ? undefined : kinds].filter((fact) => fact !== undefined);
  return html`<p>${name}: ${plural(cores, "core")}, fourtuple ${version}${facts.map((fact) => `; ${fact}`).join("")}</p>`;
}
