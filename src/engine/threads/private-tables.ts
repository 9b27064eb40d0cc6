// Whether threads can have descriptor tables of their own here, asked before any is counted on.
import { Worker } from "node:worker_threads";
import { assertAddressSpace } from "./address-space.js";

let answer: Promise<boolean> | undefined;

/** Asked once, of a thread that ends at once: the main thread's own table must stay shared with Node's. */
export function canUnshareTables(): Promise<boolean> {
  answer ??= askThread();
  return answer;
}

/** A thread that cannot be started has no table of its own either. */
async function askThread(): Promise<boolean> {
  try {
    assertAddressSpace();
    const worker = new Worker(new URL("./unshare-probe.js", import.meta.url), { execArgv: [] });
    return await new Promise((resolve) => {
      worker.once("message", (result: number) => resolve(result === 0));
      worker.once("error", () => resolve(false));
    });
  } catch {
    return false;
  }
}
