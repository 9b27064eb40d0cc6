// The public API. The engine is loaded when it is first asked for, so that importing this is quick and possible anywhere.

import type { ConnectResult } from "./results/connect.js";
import type { Diagnosis, Explained } from "./results/diagnosis.js";
import type { LabResult } from "./results/lab/lab.js";
import type { InspectedLimit } from "./results/limits.js";
import type { Prediction } from "./results/prediction.js";
import type { ServeResult } from "./results/serve.js";
import type { Pressure } from "./results/sockets/pressure.js";
import type { SocketTable } from "./results/sockets/socket-table.js";

export type { ConnectSnapshot } from "./client/snapshot.js";
export type {
  ConnectResult,
  DestinationReport,
  Miss,
  MissKind,
  Outcome,
  ResolvedName,
  RunSample,
  Thresholds,
} from "./results/connect.js";
export type { Diagnosis, Explained, Finding, Suspect, Whose } from "./results/diagnosis.js";
export type { RunEvidence } from "./results/evidence.js";
export type { Counters, FailureReport, HostDescription } from "./results/fields.js";
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
import type { ConnectOptions } from "./planning/connect-options.js";
import type { ServeOptions } from "./server/options.js";
import type { ServeRun as ServerRun } from "./server/run.js";
import type { PressureOptions } from "./socket-table/ports/pressure.js";
import type { SummaryOptions } from "./socket-table/summary.js";
import { copied } from "./util/copied.js";
import { hostFault } from "./util/host-fault.js";

export type { HostFacts } from "./capacity/host-facts.js";
export type { CapacityOptions } from "./capacity/options.js";
export type { WhatIf } from "./capacity/what-if.js";
export type { ConnectEvents } from "./client/run.js";
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

/** A run whose result has its diagnosis. */
type Diagnosed<Run, Result> = Omit<Run, "done" | "stop"> & {
  /** Resolves when everything is closed; rejects with an AppError when it could not go on. */
  readonly done: Promise<Explained<Result>>;
  /** Closes every connection and resolves with the result. Asked once or often, it is the same. */
  stop(): Promise<Explained<Result>>;
};

/** A client at work. */
export type ConnectRun = Diagnosed<ClientRun, ConnectResult>;
/** A server at work. */
export type ServeRun = Diagnosed<ServerRun, ServeResult>;

/**
 * Opens TCP connections, holds them, and says what happened.
 *
 * @returns a run at work: `await run.done` for its result, `run.stop()` to end it, `for await (const snapshot of run)`
 * @throws {AppError} before anything is opened, when an option, an address or a source makes no sense
 */
export async function connect(options: ConnectOptions): Promise<ConnectRun> {
  const given = copied(options);
  const { checkConnectOptions } = await loaded(import("./client/options-schema.js"));
  const { explained } = await loaded(import("./diagnosis/explain.js"));
  const { connect } = await loaded(import("./client/connect.js"));
  // `explained` completes the result that the run itself knows.
  return (await connect(checkConnectOptions(given), explained)) as ConnectRun;
}

/**
 * Listens on one port and holds whatever connects.
 *
 * @returns a server that accepts: `server.address`, `server.stop()`, `for await (const snapshot of server)`
 * @throws {AppError} when it cannot listen
 */
export async function serve(options: ServeOptions): Promise<ServeRun> {
  const given = copied(options);
  const { checkServeOptions } = await loaded(import("./server/options-schema.js"));
  const { explained } = await loaded(import("./diagnosis/explain.js"));
  const { serve } = await loaded(import("./server/serve.js"));
  return (await serve(checkServeOptions(given), explained)) as ServeRun;
}

/**
 * Sums up the kernel's TCP sockets of this network namespace: by state, port, peer and destination, with the listening
 * sockets' accept queues. Millions are counted in constant memory.
 *
 * @throws {AppError} E_ADDRESS for an address or a port that is none; E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function socketTable(options: SummaryOptions = {}): Promise<SocketTable> {
  const given = copied(options);
  const { checkTableOptions } = await loaded(import("./socket-table/options-schema.js"));
  return (await loaded(import("./socket-table/summary.js"))).socketTable(checkTableOptions(given));
}

/**
 * How many source ports are taken towards each destination, out of how many, and which are near their end.
 *
 * @throws {AppError} E_ADDRESS for an address or a port that is none; E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function pressure(options: PressureOptions = {}): Promise<Pressure> {
  const given = copied(options);
  const { checkPressureOptions } = await loaded(import("./socket-table/options-schema.js"));
  return (await loaded(import("./socket-table/ports/pressure.js"))).pressure(checkPressureOptions(given));
}

/**
 * How many connections this host can hold, which limit that is, and what stands behind it. Measures what a connection costs with a
 * few thousand over loopback, unless told not to.
 *
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_SOURCE or E_NO_SOURCE when an option makes no sense
 */
export async function predictCapacity(options: CapacityOptions = {}): Promise<Prediction> {
  const given = copied(options);
  const { checkCapacityOptions } = await loaded(import("./capacity/options-schema.js"));
  return (await loaded(import("./capacity/predict.js"))).predictCapacity(checkCapacityOptions(given));
}

/** Every limit of this host as it is now, with what it caps, who shares it, how it is changed and where it is documented. */
export async function inspectLimits(): Promise<InspectedLimit[]> {
  return (await loaded(import("./capacity/inspect.js"))).inspectLimits();
}

/**
 * Names the limit that stopped a run, whose it is, the evidence and the fix. Makes anew what a result has as its
 * `diagnosis`: for a result that was changed, or whose diagnosis cannot be read.
 *
 * @param result of connect() or serve(), or the JSON of one
 * @throws {AppError} E_OPTION when it is none; the message names the field that is wrong
 */
export async function explainRun(result: ConnectResult | ServeResult): Promise<Diagnosis> {
  const given = copied(result);
  const { parseOwnResult } = await loaded(import("./results/parse.js"));
  const read = parseOwnResult(given, ["connect", "serve"]);
  return (await loaded(import("./diagnosis/explain.js"))).explainRun(read);
}

/**
 * Draws a result as one HTML page: the run over time, its latencies, the lab's verdicts and evidence. It opens without a
 * network and without a script, in light and dark, and prints.
 *
 * @returns the page's text
 * @throws {AppError} E_OPTION when it is no result of a run
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
 * Makes one result of two parts of a run, such as one load done by two machines at the same time, or of two servers that took it. The
 * order and the grouping of parts make no difference.
 *
 * Exact: all that was counted (connections, failures by step and errno, destinations, messages, bytes), latencies with all of their
 * percentiles, the sums of the samples at each moment, the first start and the last ends by the parts' own clocks, the verdict on the
 * sum of the thresholds. Not exact:
 * - `peakOpen` is the largest sum of the samples, which are thinned above 600; of servers the sum, and `address` is one of theirs
 * - `rampShares` are weighted by threads, memory per connection by connections
 * - of messages of several sizes or rates the largest is told
 * - the kernel's counters, its sockets and the 4-tuples are added: parts on one host, or with the same sources, count them twice;
 *   settings are those that both have alike, gauges the higher ones
 * - `command` and `host` are left out where they differ
 * - a destination's last failure, why a ramp was given up and what was seen of the server's process (`evidence.peer`) are one part's
 * - failures and losses that a part's own threshold tolerated stay tolerated
 *
 * The diagnosis is made anew.
 *
 * @throws {AppError} E_OPTION when they are no results of the same role, or have no histograms, as of an older version
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

/** What a host lacks for loading a module, such as descriptors, is an AppError as well. */
async function loaded<T>(module: Promise<T>): Promise<T> {
  try {
    return await module;
  } catch (error) {
    throw hostFault(error) ?? error;
  }
}
