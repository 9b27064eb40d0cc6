// The reserve of epoll watches: makes a process stop adding connections before its user runs out of them. When a user
// has none left, event loops of other programs fail: Node aborts, without a message.

import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import type { WatchRoom } from "../results/evidence.js";
import { limitFor, type Reserve, reserveOf } from "./reserve.js";

type WatchLimit = Pick<WatchRoom, "max" | "reserve">;

/** Assumed if the limit cannot be read. */
const UNSEEN: WatchLimit = { max: Number.POSITIVE_INFINITY, reserve: 0 };
const RESERVE: Reserve = { share: 0.01, least: 1024, most: 0.25 };

/** Returns the number of watches kept free below fs.epoll.max_user_watches: 1%, at least 1,024, at most a quarter. */
export function watchReserve(max: number): number {
  return reserveOf(max, RESERVE);
}

/** Returns the fs.epoll.max_user_watches that allows `watches` in addition to the reserve. */
export function maxWatchesFor(watches: number): number {
  return limitFor(watches, RESERVE);
}

/**
 * Reads the limit; undefined if it cannot be read. The kernel does not report how many watches are in use, so each
 * process counts its own.
 */
export function readWatchLimit(): WatchLimit | undefined {
  const [max] = readSysctlNumbers("fs.epoll.max_user_watches") ?? [];
  return max === undefined ? undefined : { max, reserve: watchReserve(max) };
}

/** Returns how many connections a process may watch. */
export function watchesAllowed({ max, reserve }: WatchLimit = UNSEEN): number {
  return max - reserve;
}
