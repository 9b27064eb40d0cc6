// Prints a single connection like the client in the blog post on the 65,535 myth: its local address, then whatever it
// reads until the server or a signal ends it.

import type { ConnectRun } from "../../client/run.js";
import { missPhrases } from "../../client/verdict/verdict.js";
import { isOutputBehind, print, printNote, printReceived } from "../../output/terminal/output.js";
import { interruptedLine, singleFailure } from "../../output/text/connect-summary.js";
import { triedLine } from "../../output/text/destinations.js";
import { diagnosisLines } from "../../output/text/diagnosis.js";
import { clientLine } from "../../output/text/serve.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import { AppError } from "../../util/errors.js";
import { formatBytes } from "../../util/units.js";

/** Prints the local address, then the text of each read. */
export function printSingle(run: ConnectRun): void {
  run.on("opened", (local) => {
    const tried = triedLine(run.names, run.byDestination());
    if (tried) printNote(tried);
    print(clientLine(local));
  });
  let unprinted = 0;
  run.on("received", (text) => {
    if (isOutputBehind()) unprinted += Buffer.byteLength(text);
    else printReceived("receive ", text, " from server");
  });
  const noteUnprinted = () => {
    if (unprinted > 0)
      printNote(
        `note: ${formatBytes(unprinted)} of the received data was not printed, because nothing read the output`,
      );
  };
  run.done.then(noteUnprinted, noteUnprinted);
}

/** Prints why the connection ended if it was stopped or missed a target, because a single connection has no summary. */
export function printSingleEnd(result: Explained<ConnectResult>, isStopped: boolean): void {
  const missed =
    result.outcome === "missed" && (result.ready ?? result.established) > 0 ? missPhrases(result.misses) : [];
  if (isStopped) printNote(interruptedLine(result));
  else if (missed.length > 0)
    printNote([`target missed: ${missed.join(", ")}`, ...diagnosisLines(result.diagnosis)].join("\n"));
}

/** Returns the error for a single connection that was never established. */
export function noConnection(result: Explained<ConnectResult>): AppError {
  const { diagnosis } = result;
  const fix = diagnosis.finding?.fix ?? diagnosis.suspects[0]?.fix;
  return new AppError("E_CONNECT", singleFailure(result), fix === undefined ? {} : { fix });
}
