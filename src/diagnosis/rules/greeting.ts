// Explains missing greetings, if the server greeted other connections or the run requires them.

import { outcomeOf } from "../../client/verdict/verdict.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import { describeProcess } from "../../socket-table/listeners/peer-process.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { maximaOf } from "./accept-queue.js";

/**
 * Explains missing greetings when nothing failed at this end.
 * @returns undefined if no greeting is missing
 */
export function explainUngreeted(result: ConnectResult): Finding | Suspect[] | undefined {
  const { misses = [], evidence } = result;
  const miss = misses.find(({ kind }) => kind === "ungreeted");
  const facts = miss && greetingFacts(result, miss.count);
  if (!miss || !facts) return undefined;
  const { process } = evidence.peer ?? {};
  const accepted: Finding = {
    limit: "peer-silent",
    whose: "peer",
    meaning: `${process ? describeProcess(process) : "the server"} accepted ${formatCount(miss.count)} connections but did not greet them: it enforces a limit of its own, or is waiting for something`,
    fix:
      result.greeted === 0
        ? "drop --close-after-greeting if clients speak first in the server's protocol; otherwise check what the server is waiting for"
        : "check the server's log, its limits (workers, threads, backend connections) and what it is waiting for",
    evidence: facts,
  };
  // If the server is on this host, its accept queue is known to be empty.
  if (evidence.peer && evidence.peer.listeners.length > 0) return accepted;
  return [
    {
      limit: "peer-maximum",
      whose: "peer",
      meaning:
        "the server has stopped accepting at its own connection limit: connections without a greeting wait in its accept queue",
      fix: `raise the server's connection limit (${maximaOf(process)}); if the server is stopped or out of descriptors, resume it or raise its open-file limit`,
      evidence: facts,
      test: `on the server: ss -ltn shows a Recv-Q of about ${formatCount(miss.count)} at that port`,
    },
    { ...accepted, test: "on the server: ss -ltn shows a Recv-Q of 0 at that port" },
  ];
}

/** @returns undefined if the greetings might still have arrived */
function greetingFacts(result: ConnectResult, missing: number): string[] | undefined {
  const { greetings, greeted, holdMs } = result;
  if (greetings) {
    return [
      `${formatCount(greetings.greeted)} were greeted; ${formatCount(greetings.ungreeted)} were not, although they waited much longer than any greeting took`,
    ];
  }
  if (greeted === undefined || outcomeOf(result) === "interrupted") return undefined;
  return [
    `${formatCount(greeted)} were greeted; ${formatCount(missing)} were not, ${formatDuration(holdMs)} after the last one opened`,
  ];
}

/**
 * Notes on missing greetings that are not failures: they may still arrive, or the server may have had data for some
 * clients only.
 */
export function greetingNotes({ greetings, misses = [] }: ConnectResult): string[] {
  if (!greetings) return [];
  const { greeted, ungreeted, awaited } = greetings;
  const isMiss = misses.some(({ kind }) => kind === "ungreeted" || kind === "unaccepted");
  const silent = awaited + (isMiss ? 0 : ungreeted);
  if (silent === 0) return [];
  return [`the server spoke first on ${formatCount(greeted)} connections, but not (yet) on ${formatCount(silent)}`];
}
