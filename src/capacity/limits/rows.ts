// Presents limits as rows of a prediction: the current value of each, what it allows, what the load needs, and
// whether that is enough.
import type { LimitRow, LimitVerdict } from "../../results/limits.js";
import { toBound } from "../../util/bound.js";
import { formatCount } from "../../util/units.js";
import type { HostFacts } from "../host-facts.js";
import type { Limit } from "../limit.js";
import type { Load } from "../load.js";

/** Returns the row of a limit for a load. */
export function toRow(limit: Limit, facts: HostFacts, load: Load): LimitRow {
  const { id, name, unit, scope, caps, side } = limit;
  const now = limit.read(facts, load);
  const needs = limit.needs(facts, load);
  // Limits on the other end do not apply to this host.
  const isElsewhere =
    (side === "server" && load.role === "client" && !load.peer) || (side === "client" && load.role === "server");
  const allows = limit.allows && (isElsewhere ? Number.POSITIVE_INFINITY : limit.allows(facts, load));
  return {
    id,
    name,
    unit,
    scope,
    caps,
    side,
    now: now === undefined ? undefined : toBound(now),
    nowText:
      limit.describe?.(facts, load) ??
      (now === undefined ? "unknown" : now === Number.POSITIVE_INFINITY ? "unlimited" : formatCount(now)),
    allows: limit.allows && (allows === undefined ? "unknown" : toBound(allows)),
    needs: isElsewhere ? undefined : needs,
    verdict: limit.isLow?.(facts, load)
      ? "low"
      : limit.allows
        ? heldVerdict(allows, load.connections)
        : isElsewhere
          ? "ok"
          : adviceVerdict(now, needs),
  };
}

function heldVerdict(allows: number | undefined, wanted: number): LimitVerdict {
  if (allows === undefined) return "unknown";
  return allows >= wanted ? "ok" : "insufficient";
}

function adviceVerdict(now: number | undefined, needs: number | undefined): LimitVerdict {
  if (needs === undefined) return "ok";
  if (now === undefined) return "unknown";
  return now >= needs ? "ok" : "low";
}

const URGENCY: readonly LimitVerdict[] = ["insufficient", "unknown", "low", "ok"];

/** Sorts limits that are too low first, then those with the least room. */
export function byUrgency(a: LimitRow, b: LimitRow): number {
  const byVerdict = URGENCY.indexOf(a.verdict) - URGENCY.indexOf(b.verdict);
  if (byVerdict !== 0) return byVerdict;
  return roomOf(a) - roomOf(b) || 0;
}

function roomOf({ allows }: LimitRow): number {
  return typeof allows === "number" ? allows : Number.MAX_SAFE_INTEGER;
}
