// The BPF program that walks the kernel's hash table of TCP sockets (tcp_hashinfo.ehash), in all states except LISTEN.
// walk-sockets.ts does something with each socket. The program takes no locks: RCU permits reading the table, and the end
// of a chain tells which bucket the chain belongs to. Most of the time goes into waiting for memory, so the program walks
// sixteen chains in turn, and first touches the next socket of each, which brings them into the cache at the same time.
import { Assembler } from "./assembler.js";
import type { KernelLayout } from "./kernel-layout.js";
import { LANES, WALK, type WalkMode } from "./walk-map.js";
import { assembleSocket } from "./walk-sockets.js";

const GET_CURRENT_TASK_BTF = 158;
const LOOP = 181;
/** Most tables have more buckets than sockets. A step skips up to this many empty ones. */
const EMPTY_BUCKETS = 16;
/**
 * Bucket of a lane that found no further bucket. Shifted by one, the number also stands for the end of that lane's
 * chain.
 */
const NO_BUCKET = -1;
const FRAME = 10;
/** Where a step keeps its lane on the stack, below what walk-groups.ts keeps there. */
const LANE = -72;

export interface WalkProgram {
  readonly code: Buffer;
  /** Where the two functions start: index of the first instruction. */
  readonly functions: readonly [main: number, step: number];
}

/**
 * @param mapFd array whose only element has the size from walkPlaces()
 * @returns undefined if the layout does not tell what the mode needs
 */
export function assembleWalk(layout: KernelLayout, mapFd: number, mode: WalkMode): WalkProgram | undefined {
  const { offsets, types } = layout;
  if (mode === "details" && !layout.details) return undefined;
  const a = new Assembler();
  /**
   * Turns the address in R1 into a pointer of the given type in R0. Loads through such a pointer read 0 instead of
   * faulting.
   */
  const cast = (type: number) => a.alu("mov", 2, type).callKernel(types.cast);
  const count = (field: number) => a.load(8, 1, 6, field).alu("add", 1, 1).store(8, 6, field, 1);

  a.mapValue(6, mapFd)
    .call(GET_CURRENT_TASK_BTF)
    .load(8, 1, 0, offsets.nsproxy)
    .load(8, 1, 1, offsets.netNamespace)
    .store(8, 6, WALK.net, 1)
    .load(8, 1, 1, offsets.hashInfo)
    .load(4, 2, 1, offsets.bucketMask)
    .store(8, 6, WALK.mask, 2)
    .load(8, 1, 1, offsets.buckets)
    .store(8, 6, WALK.buckets, 1)
    .callKernel(types.rcuLock)
    .load(8, 1, 6, WALK.steps)
    .functionAt(2, "step")
    .alu("mov", 3, 0)
    .alu("mov", 4, 0)
    .call(LOOP)
    .store(8, 6, WALK.stepsTaken, 0)
    .callKernel(types.rcuUnlock)
    .alu("mov", 0, 0)
    .exit();

  // One step: R6 is the map's value, R7 the lane's node, R8 the socket, R9 the lane.
  a.label("step")
    .mapValue(6, mapFd)
    .aluBy("mov", 9, 1)
    .alu("and", 9, LANES - 1)
    .alu("lsh", 9, 4)
    .aluBy("add", 9, 6)
    .store(8, FRAME, LANE, 9)
    .jumpIfBy("ne", 9, 6, "touched");
  // Once per round, these loads wait for memory together.
  for (let lane = 0; lane < LANES; lane++) {
    a.load(8, 1, 6, WALK.lanes + 16 * lane)
      .jumpIf("set", 1, 1, `touched ${lane}`)
      .alu("add", 1, -offsets.node);
    cast(types.socket).load(8, 1, 0, offsets.node).load(1, 1, 0, offsets.state).label(`touched ${lane}`);
  }
  a.label("touched")
    .load(8, 7, 9, WALK.lanes)
    .jumpIf("set", 7, 1, "end of chain")
    .aluBy("mov", 1, 7)
    .alu("add", 1, -offsets.node);
  cast(types.socket).aluBy("mov", 8, 0).load(8, 1, 8, offsets.node).store(8, 9, WALK.lanes, 1);
  // The socket's memory was freed meanwhile; start the chain over rather than risk following it in circles.
  a.jumpIf("eq", 1, 0, "lost");
  assembleSocket(a, layout, { mapFd, mode, cast });
  a.label("done")
    .load(8, 9, FRAME, LANE)
    .load(8, 7, 9, WALK.lanes)
    .jumpIf("set", 7, 1, "end of chain")
    .alu("mov", 0, 0)
    .exit();

  a.label("lost");
  count(WALK.diverted).alu("mov", 0, 1).exit();

  // The end of a chain is an odd number: twice the number of its bucket, plus 1.
  a.label("end of chain")
    .load(8, 1, 9, WALK.lanes + 8)
    .alu("rsh", 7, 1)
    .alu("lsh", 1, 1)
    .alu("rsh", 1, 1);
  a.jumpIfBy("eq", 7, 1, "next bucket");
  count(WALK.diverted);
  // R7 is the bucket, R8 its address, R1 its first node.
  a.label("next bucket")
    .load(8, 7, 6, WALK.bucket)
    .aluBy("mov", 8, 7)
    .alu("lsh", 8, 3)
    .load(8, 1, 6, WALK.buckets)
    .aluBy("add", 8, 1);
  for (let i = 0; i < EMPTY_BUCKETS; i++) {
    a.load(8, 1, 6, WALK.end).jumpIfBy("ge", 7, 1, "idle").aluBy("mov", 1, 8);
    cast(types.bucket).load(8, 1, 0, 0).jumpIf("set", 1, 1, `empty ${i}`).jump("found").label(`empty ${i}`);
    a.alu("add", 7, 1).alu("add", 8, 8);
  }
  // The lane remains at the end of its chain.
  a.store(8, 6, WALK.bucket, 7).alu("mov", 0, 0).exit();

  a.label("found")
    .store(8, 9, WALK.lanes + 8, 7)
    .alu("add", 7, 1)
    .store(8, 6, WALK.bucket, 7)
    .store(8, 9, WALK.lanes, 1)
    .jumpIf("eq", 1, 0, "lost")
    .alu("mov", 0, 0)
    .exit();

  a.label("idle")
    .store(8, 6, WALK.bucket, 7)
    .load(8, 1, 9, WALK.lanes + 8)
    .jumpIf("eq", 1, NO_BUCKET, "was idle")
    .storeValue(8, 9, WALK.lanes + 8, NO_BUCKET)
    .storeValue(8, 9, WALK.lanes, NO_BUCKET);
  count(WALK.idle);
  a.label("was idle")
    .load(8, 1, 6, WALK.idle)
    .jumpIf("ge", 1, LANES, "complete")
    .alu("mov", 0, 0)
    .exit()
    .label("complete")
    .alu("mov", 0, 1)
    .exit();
  return { code: a.encode(), functions: [0, a.at("step")] };
}
