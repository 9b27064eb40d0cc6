// Chooses the I/O engine for each end of a load, by the same rules as a run.
import { CORES } from "../engine/pool.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import type { EngineChoice, EngineName, EngineObstacle } from "../results/engine.js";
import { chooseEngine, type UringFacts } from "../transport/choose-engine.js";

export interface Engines {
  readonly client: EngineName;
  readonly server: EngineName;
  /** Reason for falling back from io_uring to epoll. */
  readonly obstacle: EngineObstacle | undefined;
}

/**
 * @param facts kernel properties, replaceable in tests
 * @throws {AppError} E_PERMISSION or E_PLATFORM if io_uring was requested but is unavailable
 */
export function enginesFor(requested: EngineChoice, connections: number, facts?: UringFacts): Engines {
  const shape = { requested, threads: CORES, tableSize: raiseNofileLimit().soft };
  // If io_uring was requested explicitly, report the limit on its rings like any other.
  const counted = requested === "uring" ? 1 : connections;
  const client = chooseEngine({ ...shape, role: "client", connections: counted }, facts);
  const server = chooseEngine({ ...shape, role: "server", connections: Number.POSITIVE_INFINITY }, facts);
  return { client: client.name, server: server.name, obstacle: client.obstacle ?? server.obstacle };
}
