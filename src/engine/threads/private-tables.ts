// Checks whether threads can have private descriptor tables on this host.
import { startThread } from "../../util/program/files.js";
import { assertAddressSpace } from "./address-space.js";

let answer: Promise<boolean> | undefined;

/**
 * The check runs once, on a short-lived thread, because the main thread must keep sharing its table with Node's
 * threads.
 */
export function canUnshareTables(): Promise<boolean> {
  answer ??= askThread();
  return answer;
}

/** If the thread cannot be started, assume that private tables are impossible. */
async function askThread(): Promise<boolean> {
  try {
    assertAddressSpace();
    const worker = startThread("engine/threads/unshare-probe");
    return await new Promise((resolve) => {
      worker.once("message", (result: number) => resolve(result === 0));
      worker.once("error", () => resolve(false));
      worker.once("exit", () => resolve(false));
    });
  } catch {
    return false;
  }
}
