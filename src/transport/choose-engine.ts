// Chooses what carries a run's connections, once and before its workers start: what was asked for, what this host has, and what has
// been measured to be faster.
import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import { CAP_IPC_LOCK, hasHostCapability } from "../linux/syscalls/capability.js";
import { ENOMEM, ENOSYS, EPERM, errnoName } from "../linux/syscalls/errno.js";
import { raiseMemlockLimit } from "../linux/syscalls/rlimit.js";
import { type UringObstacle, uringObstacle } from "../linux/uring/support.js";
import type { EngineChoice, EngineObstacle, EngineReport } from "../results/engine.js";
import { toBound } from "../util/bound.js";
import { AppError } from "../util/errors.js";
import { LARGEST_RING, RING_LOCKED_BYTES } from "./kernel-uring/ring-size.js";
import { obstacleWords } from "./obstacle-words.js";

/** What of a run decides. */
export interface EngineNeeds {
  readonly role: "client" | "server";
  readonly requested: EngineChoice;
  /** The most that may be open at once; Infinity where nothing bounds it. */
  readonly connections: number;
  /** Threads that open or accept. */
  readonly threads: number;
  /** Files of one ring (RLIMIT_NOFILE). */
  readonly tableSize: number;
}

/** What the kernel says, for tests to say otherwise. */
export interface UringFacts {
  readonly findMissing: () => UringObstacle | undefined;
  /** RLIMIT_MEMLOCK in bytes; Infinity where it does not bind. */
  readonly memlockBytes: () => number;
}

const KERNEL: UringFacts = { findMissing: uringObstacle, memlockBytes: readMemlock };

/**
 * @returns the engine, and why not the other where that would have been chosen
 * @throws {AppError} E_PERMISSION or E_PLATFORM when io_uring is asked for and not to be had
 */
export function chooseEngine(needs: EngineNeeds, facts = KERNEL): EngineReport {
  const { requested } = needs;
  if (requested === "epoll" || (requested === "auto" && !prefersUring(needs))) return { name: "epoll", requested };
  const obstacle = findObstacle(needs, facts);
  if (!obstacle) return { name: "uring", requested };
  if (requested === "auto") return { name: "epoll", requested, obstacle };
  const { reason, fix } = obstacleWords(obstacle);
  const isPlatform = obstacle.kind === "kernel" || obstacle.kind === "operations";
  throw new AppError(isPlatform ? "E_PLATFORM" : "E_PERMISSION", `the uring engine is unavailable: ${reason}`, {
    fix: `${fix}; or use --engine epoll`,
    facts: { obstacle: obstacle.kind },
  });
}

/** For the trace: `engine epoll (auto was requested)`, and why not the other. */
export function engineWords({ name, requested, obstacle }: EngineReport): string {
  const why = obstacle === undefined ? "" : `; io_uring is unavailable: ${obstacleWords(obstacle).reason}`;
  return `engine ${name} (${requested} was requested)${why}`;
}

/** Where io_uring has been measured to be at least as fast, for no more CPU and memory. */
function prefersUring(_: EngineNeeds): boolean {
  return false;
}

function findObstacle(needs: EngineNeeds, { findMissing, memlockBytes }: UringFacts): EngineObstacle | undefined {
  const limit = memlockBytes();
  const missing = findMissing();
  if (missing?.kind === "operations") return { kind: "operations", operations: missing.missing };
  if (missing) return { kind: kindOf(missing.errno), errno: errnoName(missing.errno), ...memlockOf(missing, limit) };
  const neededBytes = lockedBytes(needs);
  return neededBytes > limit ? { kind: "memlock", memlockBytes: toBound(limit), neededBytes } : undefined;
}

function kindOf(errno: number): EngineObstacle["kind"] {
  if (errno === ENOSYS) return "kernel";
  if (errno === ENOMEM) return "memlock";
  if (errno !== EPERM) return "other";
  return (readSysctlNumbers("kernel.io_uring_disabled")?.[0] ?? 0) > 0 ? "disabled" : "filter";
}

function memlockOf({ errno }: { errno: number }, limit: number): Pick<EngineObstacle, "memlockBytes"> {
  return errno === ENOMEM ? { memlockBytes: toBound(limit) } : {};
}

/** Memory that the rings of a run lock, in bytes: one ring a thread, and as many more as its connections need. */
export function lockedBytes({ connections, threads, tableSize }: Omit<EngineNeeds, "role" | "requested">): number {
  const rings = Number.isFinite(connections) ? Math.ceil(connections / threads / Math.min(tableSize, LARGEST_RING)) : 1;
  return threads * Math.max(1, rings) * RING_LOCKED_BYTES;
}

/** RLIMIT_MEMLOCK in bytes. The kernel counts what the rings of a user lock over all of its processes, unless it has CAP_IPC_LOCK. */
export function readMemlock(): number {
  return hasHostCapability(CAP_IPC_LOCK) ? Number.POSITIVE_INFINITY : raiseMemlockLimit().soft;
}
