// Every limit of this host as it is now, for whoever wants to read them all.
import type { Limit } from "./limit.js";
import { LIMITS } from "./limits/catalogue.js";
import { examine } from "./predict.js";

export interface InspectedLimit
  extends Pick<
    Limit,
    "id" | "name" | "unit" | "scope" | "caps" | "side" | "source" | "change" | "privilege" | "pitfall" | "sysctl"
  > {
  /** In its unit; Infinity when unlimited, undefined when it cannot be read or there is none. */
  readonly now: number | undefined;
}

/** @throws {AppError} E_SYSTEM when the socket table cannot be read */
export async function inspectLimits(): Promise<InspectedLimit[]> {
  const { facts, load } = await examine({ measure: false });
  return LIMITS.map((limit) => {
    const { id, name, unit, scope, caps, side, source, change, privilege, pitfall, sysctl } = limit;
    const now = limit.read(facts, load);
    return { id, name, unit, scope, caps, side, source, change, privilege, pitfall, ...(sysctl && { sysctl }), now };
  });
}
