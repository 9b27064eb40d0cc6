// Reads which connections the peer closed: a clue as to why. Servers at their limit close the newest or the oldest, and
// timeouts close connections of one age.
import { countHalfOpen } from "../../../client/evidence/half-open.js";
import type { ConnectResult } from "../../../results/connect.js";
import type { LossPattern } from "../../../results/peer.js";
import { formatCount, formatDuration } from "../../../util/units.js";

/** Share of surviving connections that may be out of order, because servers may accept out of order. */
const DISORDER = 0.1;
/** Tolerance for timeouts, as a factor. */
const OUTLIVED = 1.5;
/** With fewer lost connections, a pattern may be a coincidence unless every surviving connection fits it. */
const FEW = 3;
/** A server that closes sooner than this has finished rather than timed out. */
const TIMEOUT_MS = 100;

/**
 * Tells which connections the peer closed, by age.
 *
 * @returns undefined if no pattern was recorded, or if too few connections were opened, or too quickly, to tell
 */
export function chosenBy(result: ConnectResult): "newest" | "oldest" | "some" | undefined {
  const { lost, evidence } = result;
  if (!evidence.lossPattern) return undefined;
  const { kept, keptOlder, keptYounger } = evidence.lossPattern;
  // The server has not decided about connections that it has not accepted yet.
  const undecided = Math.min(keptYounger, countUnaccepted(result));
  const decided = kept - undecided;
  const enough = lost < FEW ? decided : (1 - DISORDER) * decided;
  const isNewest = keptOlder >= enough;
  const isOldest = keptYounger - undecided >= enough;
  if (isNewest && isOldest) return undefined;
  return isNewest ? "newest" : isOldest ? "oldest" : "some";
}

/** Returns whether the survivors are older than any connection was when it was closed, which rules out a timeout. */
export function outlived({ oldestKeptMs, longestHeldMs }: LossPattern): boolean {
  return oldestKeptMs > OUTLIVED * longestHeldMs + TIMEOUT_MS;
}

/** Returns whether the peer had all connections for a while before it closed some, so that it did not refuse them. */
export function wereTaken(pattern: LossPattern | undefined): boolean {
  return pattern !== undefined && pattern.shortestHeldMs >= TIMEOUT_MS;
}

/** Returns whether connections that opened over a period were closed at the same age rather than at the same moment. */
export function isOfOneAge(pattern: LossPattern | undefined): boolean {
  if (!pattern || pattern.shortestHeldMs < TIMEOUT_MS) return false;
  return pattern.longestHeldMs - pattern.shortestHeldMs < pattern.openedOverMs / 2;
}

/** Returns the number of connections that are open at this end, but not accepted by the server on this host. */
export function countUnaccepted(result: ConnectResult): number {
  return countHalfOpen(result) + (result.evidence.accepting?.waiting ?? 0);
}

/** Returns evidence of how long the lost connections were open. */
export function heldFor({ shortestHeldMs, longestHeldMs }: LossPattern): string {
  if (shortestHeldMs === 0 && longestHeldMs > 0) {
    return `closed at most ${formatDuration(longestHeldMs)} after they became ESTABLISHED`;
  }
  return `closed ${formatDuration(shortestHeldMs)} to ${formatDuration(longestHeldMs)} after they became ESTABLISHED`;
}

/** Returns evidence of the ages of lost connections compared with those still open. */
export function ordering({ kept, keptOlder, keptYounger }: LossPattern): string {
  // Connections that became ESTABLISHED in the same millisecond count on both sides.
  return `of ${formatCount(kept)} still open, ${formatCount(keptOlder)} were opened no later than the first closed connection and ${formatCount(keptYounger)} no earlier than the last`;
}
