// Chooses the I/O engine for a run, once, before its workers start. The choice depends on the option, on the host's
// capabilities and on measured performance.
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

/** Properties of a run that determine its engine. */
export interface EngineNeeds {
  readonly role: "client" | "server";
  readonly requested: EngineChoice;
  /** Maximum number of connections open at once; Infinity if unbounded. */
  readonly connections: number;
  /** Number of threads that open or accept connections. */
  readonly threads: number;
  /** Maximum number of files in one ring (RLIMIT_NOFILE). */
  readonly tableSize: number;
}

/** Kernel properties, replaceable in tests. */
export interface UringFacts {
  readonly findMissing: () => UringObstacle | undefined;
  /** RLIMIT_MEMLOCK in bytes; Infinity if the limit does not apply. */
  readonly memlockBytes: () => number;
}

/** Number of connections from which io_uring is preferred. */
const WORTHWHILE = 50_000;
/**
 * Both ends of a user's connections share RLIMIT_MEMLOCK. Unless io_uring was requested, half of the limit stays free.
 */
const AUTO_SHARE = 2;

const KERNEL: UringFacts = { findMissing: uringObstacle, memlockBytes: readMemlock };

/**
 * Chooses the engine.
 *
 * @returns the engine and, if the preferred one is unavailable, the reason
 * @throws {AppError} E_PERMISSION or E_PLATFORM when io_uring was requested but is unavailable
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

/** Returns the report of a run in which a worker could not lock memory for its rings, although the limit allows it. */
export function fallenBack({ requested }: EngineReport): EngineReport {
  const obstacle = { kind: "memlock", errno: errnoName(ENOMEM), memlockBytes: toBound(readMemlock()) } as const;
  return { name: "epoll", requested, obstacle };
}

/**
 * Describes the choice for the trace: `engine epoll (auto was requested)`, plus the reason if io_uring is unavailable.
 */
export function engineWords({ name, requested, obstacle }: EngineReport): string {
  const why = obstacle === undefined ? "" : `; io_uring is unavailable: ${obstacleWords(obstacle).reason}`;
  return `engine ${name} (${requested} was requested)${why}`;
}

/**
 * io_uring opens large numbers of connections faster and with less CPU, but a run of ten thousand or so gains nothing.
 * Servers stay with epoll, because it is unknown how many connections will arrive.
 */
function prefersUring({ role, connections }: EngineNeeds): boolean {
  return role === "client" && connections >= WORTHWHILE;
}

function findObstacle(needs: EngineNeeds, { findMissing, memlockBytes }: UringFacts): EngineObstacle | undefined {
  const limit = memlockBytes();
  const missing = findMissing();
  if (missing?.kind === "operations") return { kind: "operations", operations: missing.missing };
  if (missing) return { kind: kindOf(missing.errno), errno: errnoName(missing.errno), ...memlockOf(missing, limit) };
  const neededBytes = lockedBytes(needs) * (needs.requested === "auto" ? AUTO_SHARE : 1);
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

/**
 * Returns the memory, in bytes, that a run's rings lock. Each thread has at least one ring, and more if its connections
 * need more.
 */
export function lockedBytes({ connections, threads, tableSize }: Omit<EngineNeeds, "role" | "requested">): number {
  const rings = Number.isFinite(connections) ? Math.ceil(connections / threads / Math.min(tableSize, LARGEST_RING)) : 1;
  return threads * Math.max(1, rings) * RING_LOCKED_BYTES;
}

/**
 * Returns RLIMIT_MEMLOCK in bytes. The kernel charges rings to the user, across all of the user's processes, unless the
 * process has CAP_IPC_LOCK.
 */
export function readMemlock(): number {
  return hasHostCapability(CAP_IPC_LOCK) ? Number.POSITIVE_INFINITY : raiseMemlockLimit().soft;
}
