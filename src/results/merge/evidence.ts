// Merges the evidence of parts of a run. Host-wide counters are added, so parts that share a host count them twice.
import type { RunEvidence } from "../evidence.js";
import type { Accepting, LocalPath, LossPattern, PortShortage } from "../peer.js";
import { add, agreed, byName, either, oneOf, union } from "./values.js";

export function mergeEvidence(a: RunEvidence, b: RunEvidence): RunEvidence {
  const settings = Object.keys(a.settings).filter((name) => agreed(a.settings[name], b.settings[name]) !== undefined);
  return {
    deltas: byName(a.deltas, b.deltas, add),
    settings: Object.fromEntries(settings.map((name) => [name, a.settings[name]!])),
    gauges: byName(a.gauges, b.gauges, Math.max),
    memoryStop: either(a.memoryStop, b.memoryStop, (x, y) =>
      least(x, y, (room) => room.availableBytes - room.floorBytes),
    ),
    fileStop: either(a.fileStop, b.fileStop, (x, y) => least(x, y, (room) => room.max - room.open)),
    watchStop: either(a.watchStop, b.watchStop, (x, y) => least(x, y, (room) => room.max - room.watched)),
    interrupted: a.interrupted || b.interrupted,
  };
}

/** Returns the value for which `of` returns the smaller number. */
function least<T>(a: T, b: T, of: (value: T) => number): T {
  return of(a) === of(b) ? oneOf(a, b) : of(a) < of(b) ? a : b;
}

export function mergeAccepting(a: Accepting, b: Accepting): Accepting {
  return {
    accepted: a.accepted + b.accepted,
    waiting: a.waiting + b.waiting,
    synReceived: a.synReceived + b.synReceived,
    isMoving: a.isMoving || b.isMoving,
  };
}

export function mergeLocalPath(a: LocalPath, b: LocalPath): LocalPath {
  return {
    failedAtOnce: byName(a.failedAtOnce, b.failedAtOnce, add),
    routes: either(a.routes, b.routes, union),
    rules: either(a.rules, b.rules, union),
  };
}

export function mergeShortage(a: PortShortage, b: PortShortage): PortShortage {
  // The field timeWaitFirstMs is meaningful only if there are sockets in TIME_WAIT.
  const firsts = [a, b].filter(({ timeWaits }) => timeWaits > 0).map(({ timeWaitFirstMs }) => timeWaitFirstMs);
  return {
    badSources: union(a.badSources, b.badSources),
    badSourceCount: a.badSourceCount + b.badSourceCount,
    unreachable: union(a.unreachable, b.unreachable),
    timeWaits: a.timeWaits + b.timeWaits,
    timeWaitFirstMs: firsts.length > 0 ? Math.min(...firsts) : 0,
    timeWaitLastMs: Math.max(a.timeWaitLastMs, b.timeWaitLastMs),
    closing: a.closing + b.closing,
  };
}

export function mergeLossPattern(a: LossPattern, b: LossPattern): LossPattern {
  return {
    shortestHeldMs: Math.min(a.shortestHeldMs, b.shortestHeldMs),
    longestHeldMs: Math.max(a.longestHeldMs, b.longestHeldMs),
    openedOverMs: Math.max(a.openedOverMs, b.openedOverMs),
    kept: a.kept + b.kept,
    keptOlder: a.keptOlder + b.keptOlder,
    keptYounger: a.keptYounger + b.keptYounger,
    oldestKeptMs: Math.max(a.oldestKeptMs, b.oldestKeptMs),
  };
}
