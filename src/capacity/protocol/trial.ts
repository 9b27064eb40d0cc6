// Runs a load of one protocol over loopback. The client runs in this process and the server in another, so that
// each side's resource use can be measured.
import { startRun } from "../../client/connect.js";
import type { ConnectRun } from "../../client/run.js";
import { readMemoryUse } from "../../engine/memory-use.js";
import type { ConnectOptions } from "../../planning/connect-options.js";
import { parseRunSpec } from "../../planning/parse-run-spec.js";
import type { RunSpec } from "../../planning/run-spec.js";
import type { Scheme } from "../../protocols/spec/address.js";
import type { ProtocolCost } from "../../results/prediction.js";
import { AppError } from "../../util/errors.js";
import type { Engines } from "../engines.js";
import { clientOptions, serverMode } from "./loads.js";
import { ServerProcess } from "./server-process.js";

/** A protocol to measure. */
export interface Trial {
  readonly scheme: Scheme;
  readonly engines: Engines;
  readonly signal: AbortSignal | undefined;
}

export type Sides = ProtocolCost["userBytes"];

/** @param args further options of `serve` */
export async function withServer<T>(
  { scheme, engines }: Trial,
  args: readonly string[],
  measure: (server: ServerProcess) => Promise<T>,
): Promise<T> {
  const mode = serverMode(scheme);
  await using server = await ServerProcess.start(scheme, [
    ...["--engine", engines.server, ...args],
    ...(mode === undefined ? [] : ["--mode", mode]),
  ]);
  return await measure(server);
}

/**
 * Runs a load while `measure` runs.
 *
 * @param adapt changes the spec built from the options
 * @throws {AppError} E_SYSTEM if not all connections could be opened
 */
export async function withConnections<T>(
  { scheme, engines, signal }: Trial,
  { port }: ServerProcess,
  options: Partial<ConnectOptions> & { readonly connections: number },
  measure: (run: ConnectRun) => T | Promise<T>,
  adapt = (spec: RunSpec) => spec,
): Promise<T> {
  const run = await startRun(
    adapt(parseRunSpec({ ...clientOptions(scheme, port, engines.client), ...options })),
    signal,
  );
  try {
    await run.ready;
    const { open } = run.snapshot();
    if (open < options.connections)
      throw new AppError("E_SYSTEM", "the connections for the measurement could not be opened");
    return await measure(run);
  } finally {
    await run.stop();
  }
}

/** Reads the resources that each side has used so far. */
export function readSides(server: ServerProcess): { readonly userBytes: Sides; readonly cpuSeconds: Sides } {
  const { user, system } = process.cpuUsage();
  return {
    userBytes: { client: readMemoryUse().residentBytes, server: server.residentBytes },
    cpuSeconds: { client: (user + system) / 1e6, server: server.cpuSeconds },
  };
}

export function eachSide(a: Sides, b: Sides, combine: (a: number, b: number) => number): Sides {
  return { client: combine(a.client, b.client), server: combine(a.server, b.server) };
}
