// What the kernel counts for a whole network namespace or host must not be added up over the parts of a run in it.
import type { ConnectResult } from "../../results/connect.js";
import type { ServeResult } from "../../results/serve.js";
import { sum } from "../../util/share.js";

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
    return { ...part, kernel, evidence: { ...part.evidence, deltas: {}, unacknowledged: undefined } };
  });
}

function countOf(kernel: ConnectResult["kernel"]): number {
  return kernel === undefined ? -1 : (kernel.outgoing ?? 0) + kernel.incoming;
}

/**
 * Takes what the kernel counts for all listening sockets from the first server in each network namespace, and removes
 * it from the others. The sockets on a server's own port are its own.
 *
 * @param places the network namespace of each part
 */
export function countServersOncePerPlace(parts: readonly ServeResult[], places: readonly string[]): ServeResult[] {
  return parts.map((part, n): ServeResult => {
    if (places.indexOf(places[n]!) === n) return part;
    const backlog = { ...part.backlog, listenOverflows: 0, listenDrops: 0 };
    return { ...part, backlog, evidence: { ...part.evidence, deltas: {} } };
  });
}

/**
 * Divides the growth of a host's kernel memory by the connections of all parts on it. Each part has measured the growth
 * that all of them caused, and the last one to end its ramp all of it.
 *
 * @param hosts the host of each part
 */
export function spreadKernelMemory(parts: readonly ConnectResult[], hosts: readonly string[]): ConnectResult[] {
  return parts.map((part, n): ConnectResult => {
    const neighbours = parts.filter((_, other) => hosts[other] === hosts[n]);
    if (neighbours.length === 1) return part;
    const established = sum(neighbours.map((each) => each.established));
    const spread = (perConnection: (memory: ConnectResult["memory"]) => number) =>
      Math.max(...neighbours.map((each) => perConnection(each.memory) * each.established)) / Math.max(1, established);
    const { kernelErrorPerConnection: error } = part.memory;
    return {
      ...part,
      memory: {
        ...part.memory,
        kernelBytesPerConnection: Math.round(spread((memory) => memory.kernelBytesPerConnection)),
        kernelErrorPerConnection:
          error && Math.round(spread(({ kernelErrorPerConnection }) => kernelErrorPerConnection ?? 0)),
      },
    };
  });
}
