// The public API. The engine is loaded when it is first asked for, so that importing this is quick and possible anywhere.
import { copied } from "./base/copied.js";
import { hostFault } from "./base/host-fault.js";
import type { ConnectOptions } from "./connect/options.js";
import type { ConnectResult } from "./connect/result.js";
import type { ConnectRun } from "./connect/run.js";
import type { InspectedLimit } from "./doctor/inspect.js";
import type { CapacityOptions } from "./doctor/options.js";
import type { Prediction } from "./doctor/predict.js";
import type { LabResult } from "./lab/result.js";
import type { Pressure, PressureOptions } from "./ports/pressure.js";
import type { SocketTable, SummaryOptions } from "./ports/summary.js";
import type { ServeOptions } from "./serve/options.js";
import type { ServeResult } from "./serve/result.js";
import type { ServeRun } from "./serve/run.js";

export type { AddressRange, PortRange } from "./base/address.js";
export { parseAddressRanges } from "./base/address.js";
export { AppError, type ErrorCode } from "./base/errors.js";
export type { ResolvedName } from "./connect/destinations.js";
export type { ConnectOptions } from "./connect/options.js";
export type {
  ConnectResult,
  ConnectSnapshot,
  DestinationReport,
  FailureReport,
  LossPattern,
  MessageResult,
  RunSample,
} from "./connect/result.js";
export type { ConnectEvents, ConnectRun } from "./connect/run.js";
export type { Miss, MissKind, Outcome, Thresholds } from "./connect/verdict.js";
export type { Diagnosis, Finding, Suspect, Whose } from "./doctor/explain/diagnosis.js";
export { explainRun } from "./doctor/explain/run.js";
export type { HostFacts, WhatIf } from "./doctor/facts.js";
export type { InspectedLimit } from "./doctor/inspect.js";
export type { Caps, Privilege, Scope, Side } from "./doctor/limit.js";
export type { ConnectionCost, Role } from "./doctor/load.js";
export type { CapacityOptions } from "./doctor/options.js";
export type { LimitRow, Prediction, Verdict } from "./doctor/predict.js";
export type { LatencySummary } from "./engine/latency.js";
export type { Counters, RunEvidence } from "./engine/run-evidence.js";
export type { Stage } from "./engine/schedule.js";
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
export type {
  BoundPoolRow,
  PortPool,
  Pressure,
  PressureOptions,
  PressureOwner,
  PressureRow,
  TranslatedPorts,
  TranslatedRow,
} from "./ports/pressure.js";
export type { SourceName } from "./ports/query.js";
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
} from "./ports/summary.js";
export type { TcpState } from "./ports/view.js";
export type { ServeOptions } from "./serve/options.js";
export type { ServeResult, ServeSnapshot } from "./serve/result.js";
export type { ServeEvents, ServeRun } from "./serve/run.js";
export type { HostDescription } from "./sys/host.js";

/**
 * Opens TCP connections, holds them, and says what happened.
 *
 * @returns a run at work: `await run.done` for its result, `run.stop()` to end it, `for await (const snapshot of run)`
 * @throws {AppError} before anything is opened, when an option, an address or a source makes no sense
 */
export async function connect(options: ConnectOptions): Promise<ConnectRun> {
  const given = copied(options);
  const { checkConnectOptions } = await loaded(import("./connect/options-schema.js"));
  return (await loaded(import("./connect/connect.js"))).connect(checkConnectOptions(given));
}

/**
 * Listens on one port and holds whatever connects.
 *
 * @returns a server that accepts: `server.address`, `server.stop()`, `for await (const snapshot of server)`
 * @throws {AppError} when it cannot listen
 */
export async function serve(options: ServeOptions): Promise<ServeRun> {
  const given = copied(options);
  const { checkServeOptions } = await loaded(import("./serve/options-schema.js"));
  return (await loaded(import("./serve/serve.js"))).serve(checkServeOptions(given));
}

/**
 * Sums up the kernel's TCP sockets of this network namespace: by state, port, peer and destination, with the listening
 * sockets' accept queues. Millions are counted in constant memory.
 *
 * @throws {AppError} E_ADDRESS for an address or a port that is none; E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function socketTable(options: SummaryOptions = {}): Promise<SocketTable> {
  const given = copied(options);
  const { checkTableOptions } = await loaded(import("./ports/options-schema.js"));
  return (await loaded(import("./ports/summary.js"))).socketTable(checkTableOptions(given));
}

/**
 * How many source ports are taken towards each destination, out of how many, and which are near their end.
 *
 * @throws {AppError} E_ADDRESS for an address or a port that is none; E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function pressure(options: PressureOptions = {}): Promise<Pressure> {
  const given = copied(options);
  const { checkPressureOptions } = await loaded(import("./ports/options-schema.js"));
  return (await loaded(import("./ports/pressure.js"))).pressure(checkPressureOptions(given));
}

/**
 * How many connections this host can hold, which limit that is, and what stands behind it. Measures what a connection costs with a
 * few thousand over loopback, unless told not to.
 *
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_SOURCE or E_NO_SOURCE when an option makes no sense
 */
export async function predictCapacity(options: CapacityOptions = {}): Promise<Prediction> {
  const given = copied(options);
  const { checkCapacityOptions } = await loaded(import("./doctor/options-schema.js"));
  return (await loaded(import("./doctor/predict.js"))).predictCapacity(checkCapacityOptions(given));
}

/** Every limit of this host as it is now, with what it caps, who shares it, how it is changed and where it is documented. */
export async function inspectLimits(): Promise<InspectedLimit[]> {
  return (await loaded(import("./doctor/inspect.js"))).inspectLimits();
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
  const { parseOwnResult } = await loaded(import("./report/schema/parse.js"));
  const read = parseOwnResult(given);
  return (await loaded(import("./report/render.js"))).render(read);
}

/** What a host lacks for loading a module, such as descriptors, is an AppError as well. */
async function loaded<T>(module: Promise<T>): Promise<T> {
  try {
    return await module;
  } catch (error) {
    throw hostFault(error) ?? error;
  }
}
