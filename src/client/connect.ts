// Entry point of the client: resolves the options into 4-tuples and starts the run.

import { CORES } from "../engine/pool.js";
import { stopOnAbort } from "../engine/run/stop-on-abort.js";
import { canUnshareTables } from "../engine/threads/private-tables.js";
import { countOpenDescriptors } from "../linux/proc/procfs.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import { canRegisterFiles } from "../linux/uring/registered-files.js";
import type { ConnectOptions } from "../planning/connect-options.js";
import { type NetworkPlan, refuseChanges } from "../planning/packet/network.js";
import { parseRunSpec } from "../planning/parse-run-spec.js";
import type { RunSpec } from "../planning/run-spec.js";
import { findTargets, type Targets } from "../planning/targets.js";
import { loadFirst } from "../protocols/scripted/file/load-first.js";
import type { ConnectResult } from "../results/connect.js";
import type { EngineReport } from "../results/engine.js";
import { chooseEngine, engineWords } from "../transport/choose-engine.js";
import { trace } from "../util/debug/trace.js";
import { ConnectRun } from "./run.js";
import type { TablesAllowed } from "./workers.js";

/** Prepares this host for a run without kernel sockets. */
type Prepare = (network: NetworkPlan) => Promise<void> | void;
type Complete = (result: ConnectResult) => ConnectResult;

/**
 * Opens TCP connections, holds them, and reports the result.
 *
 * @param complete adds the diagnosis to the result; modules at this level cannot compute it
 * @param prepare changes this host as the run needs it, if the caller may; by default, such a run is refused
 * @returns the running client: await `run.done` for the result, call `run.stop()` to end the run, or iterate with `for
 *   await (const snapshot of run)`
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_SOURCE, E_NO_SOURCE, E_NOT_AUTHORIZED, E_PERMISSION or
 *   E_PLATFORM before anything is opened
 */
export async function connect(options: ConnectOptions, complete?: Complete, prepare?: Prepare): Promise<ConnectRun> {
  return startRun(await specOf(options), options.signal, complete, prepare);
}

/**
 * Like parseRunSpec(), but also loads the module of a user-defined protocol.
 * @throws {AppError} the same codes
 */
export async function specOf(options: ConnectOptions): Promise<RunSpec> {
  return parseRunSpec(options, options.protocol === undefined ? undefined : await loadFirst(options.protocol));
}

/**
 * Like connect(), but takes a run spec.
 * @throws {AppError} the same codes as connect()
 */
export async function startRun(
  spec: RunSpec,
  signal?: AbortSignal,
  complete?: Complete,
  prepare?: Prepare,
): Promise<ConnectRun> {
  const { begin } = await prepareRun(spec, prepare);
  const run = begin(complete);
  stopOnAbort(run, signal);
  return run;
}

/** A run that can start at once. It holds no resources before that. */
export interface PreparedRun {
  readonly targets: Targets;
  begin(complete?: Complete): ConnectRun;
  /** Starts only the threads; ConnectRun.release() lets them open connections. */
  hold(): ConnectRun;
}

/**
 * Does everything that precedes a run's threads, so that the run can start at a moment of the caller's choice.
 * @throws {AppError} the same codes as connect()
 */
export async function prepareRun(spec: RunSpec, prepare: Prepare = refuseChanges): Promise<PreparedRun> {
  const engine = engineFor(spec);
  const tables = await findTables(spec, engine);
  trace("transport", () => `${engineWords(engine)}; descriptor tables: ${tables}`);
  const targets = await findTargets(spec);
  if (targets.network) await prepare(targets.network);
  const begin = (complete?: Complete, isHeld = false) => {
    const run = new ConnectRun(spec, targets, { engine, tables }, complete, isHeld);
    trace("plan", () => `${run.tuplesAvailable} 4-tuples for ${spec.connections} connections`);
    return run;
  };
  return { targets, begin, hold: () => begin(undefined, true) };
}

function engineFor({ engine: requested, connections, oneTable, transport }: RunSpec): EngineReport {
  // A run restricted to one descriptor table needs descriptors, so io_uring is not an option.
  if (oneTable) return { name: "epoll", requested };
  const tableSize = raiseNofileLimit().soft;
  // A TUN device needs only one ring, whatever the number of connections.
  const most = transport === "packet" ? Number.POSITIVE_INFINITY : connections;
  return chooseEngine({ role: "client", requested, connections: most, threads: CORES, tableSize });
}

async function findTables({ connections, oneTable, transport }: RunSpec, engine: EngineReport): Promise<TablesAllowed> {
  // A copy of a TUN device's descriptor in another table would keep the device alive.
  if (oneTable || transport === "packet") return "one";
  // Connections held in io_uring take no descriptors.
  if (engine.name === "uring") return "unbounded";
  // Connections can be parked in registered file tables, so the descriptor table does not limit a thread.
  if (canRegisterFiles()) return "unbounded";
  // The check starts a thread, so skip it for a run that fits into one table.
  const isSmall = connections * 2 < raiseNofileLimit().soft - countOpenDescriptors();
  return isSmall || (await canUnshareTables()) ? "private" : "one";
}
