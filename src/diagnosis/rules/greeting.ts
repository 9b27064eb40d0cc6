// Connections that a server has not greeted, where it greeted others or its greeting was asked for.

import { outcomeOf } from "../../client/verdict/verdict.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import { describeProcess } from "../../socket-table/listeners/peer-process.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { MAXIMA } from "./accept-queue.js";

/** Nothing failed here, and the run missed greetings. */
export function explainUngreeted(result: ConnectResult): Finding | Suspect[] | undefined {
  const { misses = [], evidence } = result;
  const miss = misses.find(({ kind }) => kind === "ungreeted");
  const facts = miss && greetingFacts(result, miss.count);
  if (!miss || !facts) return undefined;
  const { process } = evidence.peer ?? {};
  const accepted: Finding = {
    limit: "peer-silent",
    whose: "peer",
    meaning: `${process ? describeProcess(process) : "the server"} accepted ${formatCount(miss.count)} connections and did not greet them: a limit of its own, or what it waits for itself`,
    fix:
      result.greeted === 0
        ? "leave out --close-after-greeting if its clients speak first; else see what the server waits for"
        : "look at the server's log, at its limits (workers, threads, connections to a back end), and at what it waits for",
    evidence: facts,
  };
  // Of a server on this host it is known that nothing waits in its accept queue.
  if (evidence.peer && evidence.peer.listeners.length > 0) return accepted;
  return [
    {
      limit: "peer-maximum",
      whose: "peer",
      meaning:
        "the server's program accepts no more, a maximum of its own: what it has not greeted waits in its accept queue",
      fix: `raise the server's maximum (${MAXIMA}), or let it go on if it is stopped or out of descriptors`,
      evidence: facts,
      test: `on the server: ss -ltn shows a Recv-Q of about ${formatCount(miss.count)} at that port`,
    },
    { ...accepted, test: "on the server: ss -ltn shows a Recv-Q of 0 at that port" },
  ];
}

/** @returns undefined where it is not known that the greetings would not have come */
function greetingFacts(result: ConnectResult, missing: number): string[] | undefined {
  const { greetings, greeted, holdMs } = result;
  if (greetings) {
    return [
      `${formatCount(greetings.greeted)} were greeted, ${formatCount(greetings.ungreeted)} were not, for much longer than any greeting took`,
    ];
  }
  if (greeted === undefined || outcomeOf(result) === "interrupted") return undefined;
  return [
    `${formatCount(greeted)} were greeted, ${formatCount(missing)} were not, ${formatDuration(holdMs)} after the last was open`,
  ];
}

/** Greetings that are no miss: too young, or of a server that may just have had news for some. */
export function greetingNotes({ greetings, misses = [] }: ConnectResult): string[] {
  if (!greetings) return [];
  const { greeted, ungreeted, awaited } = greetings;
  const isMiss = misses.some(({ kind }) => kind === "ungreeted" || kind === "unaccepted");
  const silent = awaited + (isMiss ? 0 : ungreeted);
  if (silent === 0) return [];
  return [`the server spoke first to ${formatCount(greeted)} connections, and not (yet) to ${formatCount(silent)}`];
}
