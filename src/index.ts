// The public API. The engine is loaded when it is first asked for, so that importing this is quick and possible anywhere.

import type { InspectedLimit } from "./capacity/inspect.js";
import type { CapacityOptions } from "./capacity/options.js";
import type { Prediction } from "./capacity/predict.js";
import type { ConnectResult } from "./client/result.js";
import type { ConnectRun } from "./client/run.js";
import type { LabResult } from "./lab/result.js";
import type { ConnectOptions } from "./planning/connect-options.js";
import type { ServeOptions } from "./server/options.js";
import type { ServeResult } from "./server/result.js";
import type { ServeRun } from "./server/run.js";
import type { Pressure, PressureOptions } from "./socket-table/ports/pressure.js";
import type { SocketTable, SummaryOptions } from "./socket-table/summary.js";
import { copied } from "./util/copied.js";
import { hostFault } from "./util/host-fault.js";

export type { HostFacts, WhatIf } from "./capacity/host-facts.js";
export type { InspectedLimit } from "./capacity/inspect.js";
export type { Caps, Privilege, Scope, Side } from "./capacity/limit.js";
export type { ConnectionCost, Role } from "./capacity/load.js";
export type { CapacityOptions } from "./capacity/options.js";
export type { LimitRow, Prediction, Verdict } from "./capacity/predict.js";
export type {
  ConnectResult,
  ConnectSnapshot,
  DestinationReport,
  FailureReport,
  LossPattern,
  MessageResult,
  RunSample,
} from "./client/result.js";
export type { ConnectEvents, ConnectRun } from "./client/run.js";
export type { Miss, MissKind, Outcome } from "./client/verdict/verdict.js";
export type { Diagnosis, Finding, Suspect, Whose } from "./diagnosis/diagnosis.js";
export { explainRun } from "./diagnosis/explain.js";
export type { LatencySummary } from "./engine/latency.js";
export type { Counters, RunEvidence } from "./engine/run/evidence.js";
export type {
  CeilingEvidence,
  Evidence,
  ExperimentResult,
  FitEvidence,
  LabPlace,
  LabResult,
  LatencyEvidence,
  PortsEvidence,
  SeriesEvidence,
  TableEvidence,
} from "./lab/result.js";
export type { HostDescription } from "./linux/proc/host.js";
export type { ConnectOptions, SourceOption, SourcePortOption } from "./planning/connect-options.js";
export type { ResolvedName } from "./planning/plan-tuples.js";
export type { DestinationSpec, MessageSpec, RunSpec, SourceSpec, Thresholds } from "./planning/run-spec.js";
export type { Stage } from "./planning/schedule.js";
export type { ServeOptions } from "./server/options.js";
export type { ServeResult, ServeSnapshot } from "./server/result.js";
export type { ServeEvents, ServeRun } from "./server/run.js";
export type {
  BoundPoolRow,
  PortPool,
  Pressure,
  PressureOptions,
  PressureOwner,
  PressureRow,
  TranslatedPorts,
  TranslatedRow,
} from "./socket-table/ports/pressure.js";
export type { SourceName } from "./socket-table/query.js";
export type {
  AcceptedRow,
  AddressRow,
  DestinationRow,
  ListenerRow,
  MemorySummary,
  PortRow,
  Ranking,
  SocketFilter,
  SocketTable,
  SummaryOptions,
} from "./socket-table/summary.js";
export type { TcpState } from "./socket-table/view.js";
export type { AddressRange, PortRange } from "./util/address.js";
export { parseAddressRanges } from "./util/address.js";
export { AppError, type ErrorCode } from "./util/errors.js";

/**
 * Opens TCP connections, holds them, and says what happened.
 *
 * @returns a run at work: `await run.done` for its result, `run.stop()` to end it, `for await (const snapshot of run)`
 * @throws {AppError} before anything is opened, when an option, an address or a source makes no sense
 */
export async function connect(options: ConnectOptions): Promise<ConnectRun> {
  const given = copied(options);
  const { checkConnectOptions } = await loaded(import("./client/options-schema.js"));
  return (await loaded(import("./client/connect.js"))).connect(checkConnectOptions(given));
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
  return (await loaded(import("./server/serve.js"))).serve(checkServeOptions(given));
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
 * Draws a result as one HTML page: the run over time, its latencies, the lab's verdicts and evidence. It opens without a
 * network and without a script, in light and dark, and prints.
 *
 * @returns the page's text
 * @throws {AppError} E_OPTION when it is no result of a run
 */
export async function renderReport(result: ConnectResult | ServeResult | LabResult): Promise<string> {
  const given = copied(result);
  const { parseOwnResult } = await loaded(import("./results/schema/parse.js"));
  const read = parseOwnResult(given);
  return (await loaded(import("./output/html/render.js"))).render(read);
}

/** What a host lacks for loading a module, such as descriptors, is an AppError as well. */
async function loaded<T>(module: Promise<T>): Promise<T> {
  try {
    return await module;
  } catch (error) {
    throw hostFault(error) ?? error;
  }
}
