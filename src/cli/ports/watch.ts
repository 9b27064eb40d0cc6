// Runs `fourtuple ports --watch`: reads and shows the table every second until Ctrl-C.
import { setTimeout as delay } from "node:timers/promises";
import { openLive } from "../../output/terminal/live.js";
import { print, printFile, shownOn } from "../../output/terminal/output.js";
import { Churn } from "../../socket-table/churn.js";
import type { SocketQuery } from "../../socket-table/query.js";
import { EXIT_CODES, onStopSignals } from "../signals.js";

const EVERY_MS = 1000;

/**
 * Shows the text from `read` repeatedly: in place on a terminal, one after another in a pipe.
 *
 * @param isForPrograms whether to print the texts one after another even on a terminal
 * @returns the exit code
 */
export async function watch(
  query: SocketQuery,
  read: (churn: Churn) => Promise<string>,
  isForPrograms: boolean,
): Promise<number> {
  const ending = new AbortController();
  let exitCode = 0;
  const end = () => ending.abort();
  const forget = onStopSignals((signal) => {
    exitCode = EXIT_CODES[signal];
    end();
  }, end);
  const live = isForPrograms ? undefined : await openLive(process.stdout);
  const churn = new Churn(query);
  let last = "";
  process.stdout.once("error", end);
  try {
    while (!ending.signal.aborted) {
      const startMs = performance.now();
      last = await read(churn);
      if (live) live.show(trim(shownOn(process.stdout, last)));
      else if (isForPrograms) printFile(`${last}\n`);
      else print(last);
      await delay(Math.max(0, EVERY_MS - (performance.now() - startMs)), undefined, { signal: ending.signal }).catch(
        () => undefined,
      );
    }
  } finally {
    live?.end();
    forget();
    process.stdout.off("error", end);
  }
  if (live) print(last);
  return exitCode;
}

/**
 * Limits the text to the height of the terminal. A longer text would scroll earlier output out of the cursor's reach.
 */
function trim(text: string): string {
  const rows = (process.stdout.rows ?? 24) - 1;
  return text.split("\n").slice(0, rows).join("\n");
}
