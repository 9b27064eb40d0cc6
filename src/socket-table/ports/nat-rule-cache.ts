// Reads NAT's rules when they are needed, and keeps them for callers that read often.
import type { Family } from "../../util/address.js";
import type { NatRule } from "./nat-rules.js";

/** Returns the rules that may apply to connections of these families. */
export type NatRuleReader = (families: ReadonlySet<Family>) => Promise<readonly NatRule[]>;

const KEPT_MS = 5 * 60_000;

/** Reads the rules, unless there are no families. */
export const readRulesNow: NatRuleReader = async (families) => {
  if (families.size === 0) return [];
  // The module is loaded on demand, because it is rarely needed and runs external programs.
  return (await import("./nat-rules.js")).readNatRules(families);
};

/**
 * Returns a reader that reads the rules again after five minutes, or once a further family needs them.
 *
 * @param nowMs a clock
 */
export function cachedRules(read: NatRuleReader = readRulesNow, nowMs = () => performance.now()): NatRuleReader {
  let rules: readonly NatRule[] = [];
  let covered: ReadonlySet<Family> = new Set();
  let untilMs = Number.NEGATIVE_INFINITY;
  return async (families) => {
    const isCurrent = nowMs() < untilMs;
    if (isCurrent && [...families].every((family) => covered.has(family))) return rules;
    const wanted = new Set([...families, ...(isCurrent ? covered : [])]);
    rules = await read(wanted);
    covered = wanted;
    untilMs = nowMs() + KEPT_MS;
    return rules;
  };
}
