// What carried a run's connections, and why it was not the other.
import { z } from "../util/zod.js";
import { bound, count, type TypeOf } from "./fields.js";
import { ENGINE_CHOICES, ENGINES, URING_OBSTACLES } from "./identifiers.js";

const obstacle = z.object({
  kind: z
    .enum(URING_OBSTACLES)
    .describe(
      "filter: seccomp or a security module refuses io_uring; disabled: kernel.io_uring_disabled; kernel: it has no io_uring, or a sandbox hides it; operations: its io_uring lacks some; memlock: RLIMIT_MEMLOCK is too small; other: see errno",
    ),
  errno: z.string().optional().describe("of io_uring_setup()"),
  operations: z.array(z.string()).optional().describe("that are missing"),
  memlockBytes: bound.optional().describe("RLIMIT_MEMLOCK"),
  neededBytes: count.optional().describe("of locked memory, for as many connections"),
});
/** What keeps io_uring from a run. */
export type EngineObstacle = TypeOf<typeof obstacle>;

export const engine = z.object({
  name: z.enum(ENGINES).describe("what carried the connections: epoll, or io_uring"),
  requested: z.enum(ENGINE_CHOICES).describe("--engine"),
  obstacle: obstacle.optional().describe("why it was epoll, where io_uring would have been chosen"),
});
/** What carried a run's connections. */
export type EngineReport = TypeOf<typeof engine>;
export type EngineName = EngineReport["name"];
export type EngineChoice = EngineReport["requested"];
