// Whether threads can have descriptor tables of their own here, asked before any is counted on.
import { Worker } from "node:worker_threads";

/** Asked of a thread that ends at once: the main thread's own table must stay shared with Node's. */
export async function canUnshareTables(): Promise<boolean> {
  const worker = new Worker(new URL("./unshare-probe.js", import.meta.url), { execArgv: [] });
  return new Promise((resolve) => {
    worker.once("message", (result: number) => resolve(result === 0));
    worker.once("error", () => resolve(false));
  });
}
