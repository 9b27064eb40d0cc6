// Sets up a script in a worker: with its part of the worker's memory, the shared board, and its rows of the data
// file.
import { Board } from "../../protocols/scripted/board.js";
import { logAtOnce } from "../../protocols/scripted/console.js";
import { loadScript } from "../../protocols/scripted/file/load.js";
import { Rows } from "../../protocols/scripted/file/rows.js";
import { forbidInHandlers } from "../../protocols/scripted/forbidden.js";
import { CALL, type ScriptHost } from "../../protocols/scripted/host.js";
import type { ProtocolSpec } from "../../protocols/spec/spec.js";
import { CONTROL, type MemoryLayout, type WorkerMemory } from "../worker-memory.js";
import type { ScriptPlan } from "./run.js";

/** The parts of a role's plan that concern scripts. */
export interface ScriptedPlan {
  readonly protocol: ProtocolSpec | undefined;
  /** Undefined for other protocols. */
  readonly script: ScriptPlan | undefined;
}

/**
 * Loads the user's file into this thread before a worker begins.
 * @throws {AppError} E_OPTION
 */
export async function prepareScript({ protocol }: ScriptedPlan): Promise<void> {
  if (protocol?.name !== "scripted") return;
  logAtOnce();
  await loadScript(protocol.file);
}

/**
 * @param roleLayout layout of the role's own metrics, which come first in memory
 * @returns undefined for other protocols
 */
export function scriptHostOf(
  { protocol, script }: ScriptedPlan,
  memory: WorkerMemory,
  roleLayout: MemoryLayout,
  nextNumber?: () => number,
): ScriptHost | undefined {
  if (protocol?.name !== "scripted" || !script) return undefined;
  const board = new Board(script.board);
  const calls = memory.control.subarray(CONTROL.call, CONTROL.call + CALL.words);
  forbidInHandlers(calls);
  return {
    counters: memory.counters.subarray(roleLayout.counters),
    histograms: memory.histograms.slice(roleLayout.histograms),
    calls,
    board,
    rows: script.rows && new Rows(script.rows, protocol.data!.wraps),
    nextNumber: nextNumber ?? (() => board.nextNumber()),
  };
}
