// Reads every limit on this host.

import type { InspectedLimit } from "../results/limits.js";
import { toBound } from "../util/bound.js";
import { LIMITS } from "./limits/catalogue.js";
import { examine } from "./predict.js";

/** @throws {AppError} E_SYSTEM if the socket table cannot be read */
export async function inspectLimits(): Promise<InspectedLimit[]> {
  const { facts, load } = await examine({ measure: false });
  return LIMITS.map((limit) => {
    const { id, name, unit, scope, caps, side, source, change, privilege, pitfall, sysctl } = limit;
    const now = limit.read(facts, load);
    return {
      id,
      name,
      unit,
      scope,
      caps,
      side,
      source,
      change,
      privilege,
      pitfall,
      ...(sysctl && { sysctl }),
      now: now === undefined ? now : toBound(now),
    };
  });
}
