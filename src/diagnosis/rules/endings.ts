// Recognizes connections that the peer ended without giving a code. Whether it did so by FIN or by RST depends on
// whether it had read everything, so both are the same failure.
import type { ConnectResult } from "../../results/connect.js";
import type { FailureReport } from "../../results/fields.js";

/** EPIPE is a send after either of the others. */
const ENDINGS: readonly string[] = ["FIN", "ECONNRESET", "EPIPE"];

export function isEnding({ errno }: FailureReport): boolean {
  return ENDINGS.includes(errno);
}

/** Returns the number of connections that failed or ended, and of error responses that the run does not allow. */
export function countTroubles({ failed, lost, misses = [] }: ConnectResult): number {
  return failed + lost + (misses.find(({ kind }) => kind === "errors")?.count ?? 0);
}

/** Returns the failures that are the same as this one, which is among them; the most frequent comes first. */
export function sameAs(
  { failures, losses }: Pick<ConnectResult, "failures" | "losses">,
  failure: FailureReport,
): FailureReport[] {
  if (!isEnding(failure)) return [failure];
  const all = [...failures, ...losses].filter((other) => other.phase === failure.phase && isEnding(other));
  return all.sort((a, b) => b.count - a.count);
}
