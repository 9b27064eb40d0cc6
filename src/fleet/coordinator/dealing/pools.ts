// Divides the limits of a machine, such as its memory, among the agents that share them.
import { sum, weightedShares } from "../../../util/share.js";
import type { SharedLimit } from "../../messages.js";
import type { Candidate } from "./deal.js";

interface Pool extends SharedLimit {
  readonly members: number[];
}

/**
 * Lowers the ceilings of agents until those that share a limit do not exceed it together. They get parts in proportion
 * to what each could hold alone.
 */
export function divideShared(candidates: readonly Candidate[]): Candidate[] {
  const divided = [...candidates];
  for (const { members, allows, name, caps } of poolsOf(candidates)) {
    const ceilings = members.map((n) => divided[n]!.ceiling.connections);
    if (sum(ceilings) <= allows) continue;
    const limit = `${name}, shared by ${members.length} agents`;
    weightedShares(allows, ceilings).forEach((connections, n) => {
      const candidate = divided[members[n]!]!;
      if (connections === candidate.ceiling.connections) return;
      const ceiling = { ...candidate.ceiling, connections, limit, caps };
      divided[members[n]!] = { ...candidate, ceiling, isLimitShared: true };
    });
  }
  return divided;
}

/** @returns the limits that more than one agent shares; each as the agent with the lowest figure reads it */
function poolsOf(candidates: readonly Candidate[]): Pool[] {
  const pools = new Map<string, Pool>();
  candidates.forEach(({ ceiling }, n) => {
    for (const limit of ceiling.shared ?? []) {
      const pool = pools.get(limit.pool);
      const members = [...(pool?.members ?? []), n];
      pools.set(limit.pool, { ...limit, allows: Math.min(limit.allows, pool?.allows ?? limit.allows), members });
    }
  });
  return [...pools.values()].filter(({ members }) => members.length > 1);
}
