// What the kernel counts for a whole network namespace must not be added up over the parts of a run in it.
import type { ConnectResult } from "../results/connect.js";

/**
 * Takes the kernel's counts from one part in each network namespace, the one that counted the most, and removes them
 * from the others.
 *
 * @param places the network namespace of each part
 */
export function countOncePerPlace(parts: readonly ConnectResult[], places: readonly string[]): ConnectResult[] {
  const best = new Map<string, number>();
  parts.forEach(({ kernel }, n) => {
    const before = best.get(places[n]!);
    if (before === undefined || countOf(kernel) > countOf(parts[before]!.kernel)) best.set(places[n]!, n);
  });
  return parts.map((part, n): ConnectResult => {
    if (best.get(places[n]!) === n) return part;
    const kernel = part.kernel && { ...part.kernel, outgoing: part.kernel.outgoing && 0, incoming: 0 };
    return { ...part, kernel, evidence: { ...part.evidence, deltas: {} } };
  });
}

function countOf(kernel: ConnectResult["kernel"]): number {
  return kernel === undefined ? -1 : (kernel.outgoing ?? 0) + kernel.incoming;
}
