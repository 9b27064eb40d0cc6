// Tells which of several destinations a failure concerns, if all connections to some of them fail and none to others.
import type { ConnectResult, DestinationReport } from "../../../results/connect.js";
import type { Finding, Suspect } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { formatCount, plural } from "../../../util/units.js";

const NAMED = 3;

interface Split {
  /** Destinations to which every connection failed. */
  readonly failing: readonly DestinationReport[];
  /** Destinations to which no connection failed. */
  readonly working: readonly DestinationReport[];
}

/** @returns undefined if there is no such difference, or if it is unknown */
export function splitDestinations({ byDestination }: ConnectResult, failure: FailureReport): Split | undefined {
  const failing = (byDestination ?? []).filter(
    ({ lastFailure }) => lastFailure?.phase === failure.phase && lastFailure.errno === failure.errno,
  );
  const working = (byDestination ?? []).filter(({ established, failed }) => failed === 0 && established > 0);
  // Connections that failed after they had become ESTABLISHED are counted as both.
  const isWhole = failing.every(({ established, failed }) =>
    failure.phase === "connect" ? established === 0 : failed >= established,
  );
  return failing.length > 0 && working.length > 0 && isWhole ? { failing, working } : undefined;
}

/** Adds the destinations that a failure concerns to its evidence. */
export function nameDestinations(
  result: ConnectResult,
  failure: FailureReport,
  found: Finding | Suspect[],
): Finding | Suspect[] {
  const split = splitDestinations(result, failure);
  if (!split) return found;
  const fact = `every connection to ${describeDestinations(split.failing)} failed, and none to ${otherDestinations(split.working)}`;
  const named = <T extends Finding>(each: T): T => ({ ...each, evidence: [...each.evidence, fact] });
  return Array.isArray(found) ? found.map(named) : named(found);
}

/** Returns a text such as `10.0.0.1:7777, 10.0.0.2:7777 and 3 more`. */
export function describeDestinations(destinations: readonly DestinationReport[]): string {
  const names = destinations.slice(0, NAMED).map(({ to }) => to);
  const more = destinations.length - names.length;
  return `${names.join(", ")}${more > 0 ? ` and ${formatCount(more)} more` : ""}`;
}

function otherDestinations({ length }: readonly DestinationReport[]): string {
  return length === 1 ? "the other destination" : `${plural(length, "other destination")}`;
}
