// What `fourtuple ports` says, and its exit code, when no socket is as asked.
import type { Conditions } from "../../output/text/ports/headline.js";
import type { PortsCommandOptions } from "./options.js";
import { type FilterOptions, toFilter } from "./query.js";
import { describeTarget, type PortTarget } from "./target.js";

/** The conditions on sockets as a sentence has them. */
export function conditions(options: FilterOptions): Conditions {
  return toFilter(undefined, options);
}

/** A host without sockets is an answer: 0; a port or a filter without any is a miss: 1. */
export function exitCodeFor(
  sockets: number,
  target: PortTarget | undefined,
  { state, peer, ...options }: PortsCommandOptions,
): number {
  const isFiltered = state || peer || options[4] !== options[6];
  return sockets === 0 && (target || isFiltered) ? 1 : 0;
}

/** That there is none, with what was asked for. */
export async function nothingFor(target: PortTarget | undefined, options: PortsCommandOptions): Promise<string> {
  const { nothingText } = await import("../../output/text/ports/headline.js");
  return nothingText(target && describeTarget(target), conditions(options));
}
