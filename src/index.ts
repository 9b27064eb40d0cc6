// Public API. The other modules are loaded on first use, so that importing this file is cheap and works anywhere.

import type { ConnectResult } from "./results/connect.js";
import type { Diagnosis, Explained } from "./results/diagnosis.js";
import type { LabResult } from "./results/lab/lab.js";
import type { InspectedLimit } from "./results/limits.js";
import type { Prediction } from "./results/prediction.js";
import type { ServeResult } from "./results/serve.js";
import type { Pressure } from "./results/sockets/pressure.js";
import type { SocketTable } from "./results/sockets/socket-table.js";

export type { ConnectSnapshot } from "./client/snapshot.js";
export type { ConnectResult, DestinationReport, ResolvedName, RunSample } from "./results/connect.js";
export type { Diagnosis, Explained, Finding, Suspect, Whose } from "./results/diagnosis.js";
export type { RunEvidence } from "./results/evidence.js";
export type { Counters, FailureReport, HostDescription } from "./results/fields.js";
export type { FleetReport } from "./results/fleet/fleet.js";
export type { FleetServer, ServerFleetReport } from "./results/fleet/servers.js";
export type { LatencySummary } from "./results/histogram/latency-summary.js";
export type {
  CeilingEvidence,
  Evidence,
  FitEvidence,
  LatencyEvidence,
  PortsEvidence,
  SeriesEvidence,
  TableEvidence,
} from "./results/lab/evidence.js";
export type { ExperimentResult, LabResult, LabTestbed } from "./results/lab/lab.js";
export type {
  Caps,
  InspectedLimit,
  LimitRow,
  LimitVerdict as Verdict,
  Privilege,
  Scope,
  Side,
} from "./results/limits.js";
export type { MessageResult } from "./results/messages.js";
export type { Miss, MissKind, Outcome, Thresholds } from "./results/outcome.js";
export type { LossPattern } from "./results/peer.js";
export type { ConnectionCost, Prediction, Role } from "./results/prediction.js";
export type { ServeResult } from "./results/serve.js";
export type { SourceName } from "./results/sockets/owners.js";
export type {
  BoundPoolRow,
  PortPool,
  Pressure,
  PressureOwner,
  PressureRow,
  TranslatedPorts,
  TranslatedRow,
} from "./results/sockets/pressure.js";
export type {
  AcceptedRow,
  AddressRow,
  DestinationRow,
  ListenerRow,
  MemorySummary,
  PortRow,
  Ranking,
  SocketTable,
  TcpState,
} from "./results/sockets/socket-table.js";
export type { ServeSnapshot } from "./server/snapshot.js";

import type { CapacityOptions } from "./capacity/options.js";
import type { ConnectRun as ClientRun } from "./client/run.js";
import type { FleetConnectOptions, FleetServeOptions } from "./fleet/coordinate.js";
import type { FleetRun } from "./fleet/coordinator/fleet-run.js";
import type { ServerKind } from "./fleet/coordinator/roles/kind.js";
import type { AgentOptions, FleetAgent } from "./fleet/start-agent.js";
import type { MetricsServer } from "./output/prometheus/server.js";
import type { ConnectOptions } from "./planning/connect-options.js";
import type { NetworkPlan } from "./planning/packet/network.js";
import type { ServeOptions } from "./server/options.js";
import type { ServeRun as ServerRun } from "./server/run.js";
import type { PressureOptions } from "./socket-table/ports/pressure.js";
import type { SummaryOptions } from "./socket-table/summary.js";
import type { NetworkOptions } from "./tuning/network-changes.js";
import { copied } from "./util/copied.js";
import { hostFault } from "./util/host-fault.js";

export type { HostFacts } from "./capacity/host-facts.js";
export type { CapacityOptions } from "./capacity/options.js";
export type { WhatIf } from "./capacity/what-if.js";
export type { ConnectEvents } from "./client/run.js";
export type { FleetConnectOptions, FleetServeOptions } from "./fleet/coordinate.js";
export type { FleetEvents, FleetRun } from "./fleet/coordinator/fleet-run.js";
export type { FleetOptions, NatsOptions, OnLost } from "./fleet/options.js";
export type { AgentOptions, FleetAgent } from "./fleet/start-agent.js";
export type { MetricsServer } from "./output/prometheus/server.js";
export type { ConnectOptions, SourceOption, SourcePortOption } from "./planning/connect-options.js";
export type { DestinationSpec, MessageSpec, RunSpec, SourceSpec } from "./planning/run-spec.js";
export type { Stage } from "./planning/schedule.js";
export type { ServeOptions } from "./server/options.js";
export type { ServeEvents } from "./server/run.js";
export type { PressureOptions } from "./socket-table/ports/pressure.js";
export type { SocketFilter, SummaryOptions } from "./socket-table/summary.js";
export type { AddressRange } from "./util/address-range.js";
export { parseAddressRanges } from "./util/address-range.js";
export type { PortRange } from "./util/endpoint.js";
export { AppError, type ErrorCode } from "./util/errors.js";

/** A run whose result includes its diagnosis. */
type Diagnosed<Run, Result> = Omit<Run, "done" | "stop"> & {
  /** Resolves when all connections are closed; rejects with an AppError if the run could not continue. */
  readonly done: Promise<Explained<Result>>;
  /** Closes all connections and resolves with the result. Repeated calls have no further effect. */
  stop(): Promise<Explained<Result>>;
};

/** A running client. */
export type ConnectRun = Diagnosed<ClientRun, ConnectResult>;
/** A run whose servers are the agents of a fleet; `members` tells where each of them listens. */
export type FleetServeRun = FleetRun<ServerKind>;
/** A running server. */
export type ServeRun = Diagnosed<ServerRun, ServeResult>;

/**
 * Opens TCP connections, holds them, and reports the result.
 *
 * With `fleet`, the connections are divided among the agents at a NATS server, and the result is that of all of them.
 *
 * @returns the running client: `await run.done`, `run.stop()`, `for await (const snapshot of run)`
 * @throws {AppError} before anything is opened if an option, address or source is invalid, or the fleet cannot hold the
 *   connections
 */
export async function connect(options: FleetConnectOptions): Promise<FleetRun>;
export async function connect(options: ConnectOptions): Promise<ConnectRun>;
export async function connect(options: ConnectOptions | FleetConnectOptions): Promise<ConnectRun | FleetRun> {
  const given = copied(options);
  if (typeof given === "object" && "fleet" in given) return connectFleet(given);
  const { checkConnectOptions } = await loaded(import("./client/options-schema.js"));
  const { explained } = await loaded(import("./diagnosis/explain.js"));
  const { connect } = await loaded(import("./client/connect.js"));
  const checked = checkConnectOptions(given);
  const start = async (prepare?: Prepare) => (await connect(checked, explained, prepare)) as ConnectRun;
  // `explained` adds the diagnosis to the run's result.
  return withNetwork(checked, start);
}

async function connectFleet({ fleet, ...given }: FleetConnectOptions): Promise<FleetRun> {
  const { checkConnectOptions } = await loaded(import("./client/options-schema.js"));
  const { checkFleetOptions } = await loaded(import("./fleet/options-schema.js"));
  const options = { ...checkConnectOptions(given), fleet: checkFleetOptions(fleet) };
  return (await loaded(import("./fleet/coordinate.js"))).connectFleet(options);
}

/**
 * Listens on one port and holds all incoming connections.
 *
 * With `fleet`, the agents at a NATS server listen, and the result is that of all of them.
 *
 * @returns the running server: `server.address`, `server.stop()`, `for await (const snapshot of server)`
 * @throws {AppError} if the server cannot listen
 */
export async function serve(options: FleetServeOptions): Promise<FleetServeRun>;
export async function serve(options: ServeOptions): Promise<ServeRun>;
export async function serve(options: ServeOptions | FleetServeOptions): Promise<ServeRun | FleetServeRun> {
  const given = copied(options);
  if (typeof given === "object" && "fleet" in given) return serveFleet(given);
  const { checkServeOptions } = await loaded(import("./server/options-schema.js"));
  const { explained } = await loaded(import("./diagnosis/explain.js"));
  const { serve } = await loaded(import("./server/serve.js"));
  const checked = checkServeOptions(given);
  const start = async (prepare?: Prepare) => (await serve(checked, explained, prepare)) as ServeRun;
  return withNetwork(checked, start);
}

async function serveFleet({ fleet, durationMs, ...given }: FleetServeOptions): Promise<FleetServeRun> {
  const { checkServeOptions } = await loaded(import("./server/options-schema.js"));
  const { checkFleetOptions } = await loaded(import("./fleet/options-schema.js"));
  const options = { ...checkServeOptions(given), durationMs, fleet: checkFleetOptions(fleet) };
  return (await loaded(import("./fleet/coordinate.js"))).serveFleet(options);
}

/**
 * Starts an agent: opens this host's share of the connections of runs that a coordinator divides among a fleet.
 *
 * @returns the agent, which waits for runs until `agent.stop()`
 * @throws {AppError} if an option is invalid, or NATS cannot be reached or refuses the credentials
 */
export async function startAgent(options: AgentOptions): Promise<FleetAgent> {
  const given = copied(options);
  const { checkAgentOptions } = await loaded(import("./fleet/options-schema.js"));
  return (await loaded(import("./fleet/start-agent.js"))).startAgent(checkAgentOptions(given));
}

/**
 * Summarizes this network namespace's TCP sockets by state, port, peer and destination, with the accept queues of
 * listening sockets. Even millions of sockets are counted in constant memory.
 *
 * @throws {AppError} E_ADDRESS for an invalid address or port; E_PERMISSION or E_SYSTEM if the table cannot be read
 */
export async function socketTable(options: SummaryOptions = {}): Promise<SocketTable> {
  const given = copied(options);
  const { checkTableOptions } = await loaded(import("./socket-table/options-schema.js"));
  return (await loaded(import("./socket-table/summary.js"))).socketTable(checkTableOptions(given));
}

/**
 * Counts used and available source ports for each destination, and reports destinations close to running out.
 *
 * @throws {AppError} E_ADDRESS for an invalid address or port; E_PERMISSION or E_SYSTEM if the table cannot be read
 */
export async function pressure(options: PressureOptions = {}): Promise<Pressure> {
  const given = copied(options);
  const { checkPressureOptions } = await loaded(import("./socket-table/options-schema.js"));
  return (await loaded(import("./socket-table/ports/pressure.js"))).pressure(checkPressureOptions(given));
}

/**
 * Predicts how many connections this host can hold, and the limits reached first. The cost of a connection is measured
 * unless `measure` is false.
 *
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_SOURCE or E_NO_SOURCE for an invalid option
 */
export async function predictCapacity(options: CapacityOptions = {}): Promise<Prediction> {
  const given = copied(options);
  const { checkCapacityOptions } = await loaded(import("./capacity/options-schema.js"));
  return (await loaded(import("./capacity/predict.js"))).predictCapacity(checkCapacityOptions(given));
}

/** Reads every limit on this host, with what it caps, its scope, how to change it and where it is documented. */
export async function inspectLimits(): Promise<InspectedLimit[]> {
  return (await loaded(import("./capacity/inspect.js"))).inspectLimits();
}

/**
 * Explains what stopped a run: the limit, its owner, the evidence and the fix. This is needed only for a result that
 * was modified, or whose `diagnosis` cannot be read.
 *
 * @param result result of connect() or serve(), or its JSON
 * @throws {AppError} E_OPTION if the value is not a result; the message names the invalid field
 */
export async function explainRun(result: ConnectResult | ServeResult): Promise<Diagnosis> {
  const given = copied(result);
  const { parseOwnResult } = await loaded(import("./results/parse.js"));
  const read = parseOwnResult(given, ["connect", "serve"]);
  return (await loaded(import("./diagnosis/explain.js"))).explainRun(read);
}

/**
 * Renders a result as one HTML page with the run over time, its latencies, and the lab's verdicts and evidence. The
 * page needs neither a network nor scripts, has light and dark themes, and can be printed.
 *
 * @returns the HTML text
 * @throws {AppError} E_OPTION if the value is not the result of a run
 */
export async function renderReport(result: ConnectResult | ServeResult | LabResult): Promise<string> {
  const given = copied(result);
  const { parseOwnResult } = await loaded(import("./results/parse.js"));
  const read = parseOwnResult(given, ["connect", "serve", "lab"]);
  const { render } = await loaded(import("./output/html/render.js"));
  if (read.kind === "lab") return render(read);
  return render((await loaded(import("./diagnosis/explain.js"))).explained(read));
}

/**
 * Merges the results of two parts of a run, such as a load from two machines at the same time, or the two servers that
 * received it. The order and grouping of parts do not matter.
 *
 * Exact: all counts (connections, failures by step and errno, destinations, messages, bytes), latencies with all
 * percentiles, sums of the samples at each moment, first start and last end by the parts' clocks, and the verdict
 * against the sum of the thresholds. Approximate:
 * - `peakOpen` is the maximum of the summed samples, thinned above 600; for servers it is the sum, and `address` is one
 *   of theirs
 * - `rampShares` are weighted by threads, memory per connection by connections; if parts differ in message size or
 *   rate, the larger one is reported
 * - kernel counters, sockets and 4-tuples are added, so parts on one host or with the same sources count twice
 * - settings are kept if both parts agree, gauges are the higher value, and `command` and `host` are omitted if they
 *   differ
 * - a destination's last failure, why a ramp was abandoned and the server's process (`evidence.peer`) come from one
 *   part
 * - failures and losses tolerated by a part's own threshold remain tolerated
 *
 * @throws {AppError} E_OPTION if the values are not results of the same role, or come from an older version without
 *   histograms
 */
export async function mergeResults<R extends ConnectResult | ServeResult>(a: R, b: R): Promise<Explained<R>> {
  const given = [copied(a), copied(b)] as const;
  const { parseOwnResult } = await loaded(import("./results/parse.js"));
  const one = parseOwnResult(given[0], ["connect", "serve"]);
  const other = parseOwnResult(given[1], [one.kind]);
  const { merge } = await loaded(import("./results/merge/merge.js"));
  const merged = merge(one, other);
  return { ...merged, diagnosis: (await loaded(import("./diagnosis/explain.js"))).explainRun(merged) } as Explained<R>;
}

/**
 * Serves a run's metrics for Prometheus at /metrics until the run has ended: all counters, failures by step and cause,
 * latency histograms, and the metrics of a user-defined protocol.
 *
 * @param listen `127.0.0.1:9476`, `[::1]:9476`, `:9476` or `9476`; with port 0, the kernel picks a free one
 * @returns an object with the address of the endpoint, `metrics.url`
 * @throws {AppError} E_ADDRESS, E_RESOLVE, E_PORT_IN_USE, E_PERMISSION or E_LISTEN
 */
export async function serveMetrics(run: ConnectRun | ServeRun, listen: string): Promise<MetricsServer> {
  const { clientFamilies, serverFamilies } = await loaded(import("./output/prometheus/run.js"));
  const server = await loaded(import("./output/prometheus/server.js"));
  const clients = await loaded(import("./client/run.js"));
  const servers = await loaded(import("./server/run.js"));
  const metrics = await server.serveMetrics(`${listen}`, () =>
    "address" in run
      ? serverFamilies(run.snapshot(), servers.ServeRun.measure(run as ServerRun))
      : clientFamilies(run.snapshot(), clients.ConnectRun.measure(run as ClientRun)),
  );
  const close = () => void metrics.close();
  run.done.then(close, close);
  return metrics;
}

type Prepare = (network: NetworkPlan) => Promise<void>;

/** Starts a run, and reverts what was changed on this host for it when it has ended. */
async function withNetwork<Run extends { readonly done: Promise<unknown> }>(
  options: NetworkOptions,
  start: (prepare?: Prepare) => Promise<Run>,
): Promise<Run> {
  // Kernel sockets need no changes.
  if (options.transport !== "packet" && !options.apply && options.journal === undefined) return start();
  const { NetworkChanges } = await loaded(import("./tuning/network-changes.js"));
  const network = new NetworkChanges(options);
  const undo = () => network.undo();
  try {
    const run = await start(network.prepare);
    run.done.then(undo, undo);
    return run;
  } catch (error) {
    undo();
    throw error;
  }
}

/** If a module failed to load for lack of resources, such as descriptors, converts the error to an AppError. */
async function loaded<T>(module: Promise<T>): Promise<T> {
  try {
    return await module;
  } catch (error) {
    throw hostFault(error) ?? error;
  }
}
