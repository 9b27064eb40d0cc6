// Sentences about a run of either role, shared by the terminal and the pages.

import type { ConnectResult } from "../../results/connect.js";
import type { ServeResult } from "../../results/serve.js";
import { obstacleWords } from "../../transport/obstacle-words.js";
import { formatBound } from "../../util/bound.js";
import { formatBytes, formatCount, plural } from "../../util/units.js";

/** With fewer connections than this, the threads account for most of the measured memory. */
export const WORTH_MEASURING = 10_000;

/** Returns a text such as `2, each with its own table of 20,000 descriptors`. */
export function describeThreads(result: ConnectResult | ServeResult): string {
  const { threads, hasPrivateTables, nofileLimit, engine } = result;
  // Sockets held in io_uring have no descriptors.
  if (engine?.name === "uring") return formatCount(threads);
  const whose = !hasPrivateTables ? "sharing one" : threads === 1 ? "with its own" : "each with its own";
  return `${formatCount(threads)}, ${whose} table of ${formatBound(nofileLimit)} descriptors`;
}

/**
 * Returns `io_uring`, or a text such as `epoll: io_uring is disabled (…)`, with the fix; undefined for a result of an
 * older version.
 */
export function describeEngine({ engine }: ConnectResult | ServeResult): string | undefined {
  if (engine === undefined) return undefined;
  if (engine.name === "uring") return "io_uring";
  if (engine.obstacle === undefined) return "epoll";
  const { reason, fix } = obstacleWords(engine.obstacle);
  return `epoll: ${reason} (for io_uring: ${fix})`;
}

/** Returns a text such as `1.20 MiB sent, 4.00 MiB received`. */
export function describeTraffic({
  sentBytes,
  receivedBytes,
}: Pick<ServeResult, "sentBytes" | "receivedBytes">): string {
  return `${formatBytes(sentBytes)} sent, ${formatBytes(receivedBytes)} received`;
}

/** Returns a text such as `3 ECONNREFUSED (connect), 1 EMFILE (socket)`. */
export function describeFailures(
  kinds: readonly { readonly phase: string; readonly errno: string; readonly count: number }[],
): string {
  return kinds.map(({ phase, errno, count }) => `${formatCount(count)} ${errno} (${phase})`).join(", ");
}

/** Describes the overflows and drops of the host's accept queues, such as `2 overflows, 2 drops`. */
export function describeOverflows({ listenOverflows, listenDrops }: ServeResult["backlog"]): string {
  return `${plural(listenOverflows, "overflow")}, ${plural(listenDrops, "drop")}`;
}

/** Returns the user memory per connection; undefined if too few connections were open to measure it. */
export function userMemory({ memory }: ConnectResult | ServeResult, connections: number): string | undefined {
  if (connections < WORTH_MEASURING) return undefined;
  return formatBytes(Math.max(0, memory.userBytesPerConnection));
}
