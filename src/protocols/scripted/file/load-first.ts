// Loads a user's protocol file into the main thread, once a thread has shown that its code returns. A loop at the top
// level of the file would otherwise keep the program from ending, and from handling signals.
import { resolve } from "node:path";
import { AppError } from "../../../util/errors.js";
import { startThread } from "../../../util/program/files.js";
import { LOAD_MS, type LoadedScript, loadScript } from "./load.js";
import { cannotLoad, placeWords } from "./load-failure.js";
import { placeInThread } from "./thread-place.js";

/** A top-level await has reached its own limit by then. */
const RETURN_MS = LOAD_MS + 1000;
/** More than the threads of a run have (engine/threads/thread.ts), so that they run out of it first. */
const HEAP = { maxOldGenerationSizeMb: 64 };

/**
 * Like loadScript(), for code that might not return.
 *
 * @param limitMs time limit for the code at the top level
 * @throws {AppError} E_OPTION also if it does not return in time
 */
export async function loadFirst(name: string, limitMs = RETURN_MS): Promise<LoadedScript> {
  await tryInThread(name, limitMs);
  return loadScript(name);
}

async function tryInThread(name: string, limitMs: number): Promise<void> {
  const thread = startThread("protocols/scripted/file/load-thread", {
    workerData: name,
    resourceLimits: HEAP,
    // The main thread will print the same.
    stdout: true,
    stderr: true,
  });
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((done, reject) => {
      const stop = async () => {
        const where = placeWords(await placeInThread(thread.threadId), resolve(name));
        reject(cannotLoad(name, `its top level does not return${where}`, "find the loop in it"));
      };
      thread.on("message", (message) => {
        if (message === "loaded") done();
        else timer = setTimeout(stop, limitMs);
      });
      thread.on("error", (error) => reject(faultOf(name, error)));
      // If it ended for any other reason, the main thread will find out.
      thread.on("exit", () => done());
    });
  } finally {
    clearTimeout(timer);
    void thread.terminate();
  }
}

/** Returns the error that the thread threw, which arrives as a copy without its class. */
function faultOf(name: string, error: Error): AppError {
  const { code, fix, message } = error as Partial<AppError> & Error;
  if (code === "E_OPTION") return new AppError(code, message, { ...(fix === undefined ? {} : { fix }), cause: error });
  return cannotLoad(name, `its top level failed: ${message}`, "correct the file", error);
}
