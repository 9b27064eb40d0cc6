// Presents the counters and latencies of a fleet as metric families, with a sample for each agent; the sums are for
// Prometheus to compute.
import { CLIENT_METRICS } from "../../client/metrics.js";
import { familiesOf } from "../../engine/metric-names.js";
import type { MetricDefinitions, Metrics } from "../../engine/metrics.js";
import type { Member } from "../../fleet/coordinator/member.js";
import type { ClientKind, Kind, ServerKind } from "../../fleet/coordinator/roles/kind.js";
import { SERVER_METRICS } from "../../server/metrics.js";
import { bucketsOfCoarse } from "./buckets.js";
import { counter, type Family, filled, gauge, type Sample } from "./families.js";
import { processFamilies } from "./process.js";

const FLEET = {
  agent_up: gauge("1 while the agent takes part in the run, 0 once it has ended or is lost.", "agent"),
  agent_requested: gauge("Connections requested of the agent; 0 for a server without a limit.", "agent"),
};

const FAILURES = {
  failures: counter("Failures, by step in a connection's life and by cause.", "agent", "phase", "cause"),
};

export function fleetClientFamilies(members: readonly Member<ClientKind>[]): Family[] {
  return [...valuesOf(CLIENT_METRICS, members), ...aboutAgents(members), ...processFamilies()];
}

export function fleetServerFamilies(members: readonly Member<ServerKind>[]): Family[] {
  return [...valuesOf(SERVER_METRICS, members), ...aboutAgents(members), ...processFamilies()];
}

function aboutAgents<K extends Kind>(members: readonly Member<K>[]): Family[] {
  return filled("fourtuple_fleet", FLEET, {
    agent_up: members.map(({ name, state }): Sample => [{ agent: name }, Number(state === "active")]),
    agent_requested: members.map(({ name, requested }): Sample => [{ agent: name }, requested]),
  });
}

function valuesOf<D extends MetricDefinitions, K extends Kind>(
  metrics: Metrics<D>,
  members: readonly Member<K>[],
): Family[] {
  const heard = members.filter(({ snapshot }) => snapshot !== undefined);
  const values = [...familiesOf(metrics)].map(([name, { name: full, type, help, divisor }]): Family => {
    const samples = heard.map((member): Sample => {
      const { name: agent, snapshot, histograms, state } = member;
      if (type === "histogram") return [{ agent }, bucketsOfCoarse(histograms[name] ?? [])];
      const value = (snapshot as unknown as Readonly<Record<string, unknown>>)[name];
      // A lost agent keeps its counters, but its connections are gone.
      const isGone = type === "gauge" && state !== "active";
      return [{ agent }, typeof value === "number" ? (isGone ? 0 : value / divisor) : undefined];
    });
    return { name: full.replace(/_total$/, ""), type, help, labels: ["agent"], samples };
  });
  return [...values, ...filled(metrics.prefix, FAILURES, { failures: members.flatMap(failuresOf) })];
}

function failuresOf<K extends Kind>({ name: agent, failures }: Member<K>): Sample[] {
  return failures.map(({ phase, cause, count }) => [{ agent, phase, cause }, count]);
}
