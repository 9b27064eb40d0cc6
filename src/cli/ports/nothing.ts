// Message and exit code of `fourtuple ports` when no socket matches.
import type { Conditions } from "../../output/text/ports/headline.js";
import type { PortsCommandOptions } from "./options.js";
import { type FilterOptions, toFilter } from "./query.js";
import { describeTarget, type PortTarget } from "./target.js";

/** Describes the socket filter for use in a sentence. */
export function conditions(options: FilterOptions): Conditions {
  return toFilter(undefined, options);
}

/**
 * Returns exit code 0 for a host without sockets, which is a valid answer, and 1 for a port or filter without
 * matches.
 */
export function exitCodeFor(
  sockets: number,
  target: PortTarget | undefined,
  { state, peer, ...options }: PortsCommandOptions,
): number {
  const isFiltered = state || peer || options[4] !== options[6];
  return sockets === 0 && (target || isFiltered) ? 1 : 0;
}

/** Returns a sentence saying that nothing matches the request. */
export async function nothingFor(target: PortTarget | undefined, options: PortsCommandOptions): Promise<string> {
  const { nothingText } = await import("../../output/text/ports/headline.js");
  return nothingText(target && describeTarget(target), conditions(options));
}
