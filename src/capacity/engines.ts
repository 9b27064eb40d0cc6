// I/O engine that fourtuple will use for each end of a load, chosen as a run chooses it.
import { CORES } from "../engine/pool.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import type { EngineChoice, EngineName, EngineObstacle } from "../results/engine.js";
import { chooseEngine, type UringFacts } from "../transport/choose-engine.js";

export interface Engines {
  readonly client: EngineName;
  readonly server: EngineName;
  /** Why an end uses epoll although io_uring is preferred. */
  readonly obstacle: EngineObstacle | undefined;
}

/**
 * @param facts kernel properties, replaceable in tests
 * @throws {AppError} E_PERMISSION or E_PLATFORM if io_uring was requested but is unavailable
 */
export function enginesFor(requested: EngineChoice, connections: number, facts?: UringFacts): Engines {
  const shape = { requested, threads: CORES, tableSize: raiseNofileLimit().soft };
  // For an explicit request, the limit on its rings is reported like any other.
  const counted = requested === "uring" ? 1 : connections;
  const client = chooseEngine({ ...shape, role: "client", connections: counted }, facts);
  const server = chooseEngine({ ...shape, role: "server", connections: Number.POSITIVE_INFINITY }, facts);
  return { client: client.name, server: server.name, obstacle: client.obstacle ?? server.obstacle };
}
