// The BPF program that walks the kernel's hash table of TCP sockets (tcp_hashinfo.ehash), in all states except LISTEN,
// and writes each matching socket to a map as a struct inet_diag_msg. The program takes no locks: RCU permits reading
// the table, and the end of a chain tells which bucket the chain belongs to. Most of the time goes into waiting for
// memory, so the program walks eight chains in turn and touches each chain's next socket one round before it is needed.
import { DIAG_FIELD, DIAG_MESSAGE_BYTES } from "../netlink/diag-message.js";
import { AF_INET6, TCP_SYN_RECV, TCP_TIME_WAIT } from "../syscalls/constants.js";
import { Assembler } from "./assembler.js";
import type { KernelLayout } from "./kernel-layout.js";
import { assembleDetails, DETAILED_BYTES } from "./walk-details.js";
import { assembleGrouping, groupPlaces } from "./walk-groups.js";

export const LANES = 8;
/** Maximum number of steps per call: about 2 ms, during which the kernel may be unable to preempt the program. */
export const STEPS = 16_384;
/** Offsets in the map's value: control fields of 64 bits, the lanes, and the rows. */
export const WALK = {
  /** Next bucket for a lane to take, and the bucket to stop at. */
  bucket: 0,
  end: 8,
  /** Maximum number of steps, and the number taken so far. */
  steps: 16,
  stepsTaken: 40,
  /** Number of lanes that found no further bucket. The walk is complete once this covers all lanes. */
  idle: 24,
  /** Number of chains that ended in another bucket, because a socket moved while it was being read. */
  diverted: 32,
  /** Number of rows written. */
  rows: 48,
  /** Number of buckets - 1. */
  mask: 56,
  buckets: 64,
  net: 72,
  /** What a socket must match: bits 1 << state; AF_* or 0; three port ranges as (first, last). */
  states: 80,
  family: 88,
  localPorts: 96,
  remotePorts: 112,
  eitherPorts: 128,
  /** 1 to include all network namespaces that share the table. */
  everyNamespace: 144,
  /** Number of entries in the log of grouped sockets. */
  logged: 152,
  /** Current node and bucket of each lane. */
  lanes: 256,
} as const;
const CONTROL_BYTES = 4096;
/** Where a program that groups sockets keeps its groups and rows. */
export const GROUP_PLACES = groupPlaces(CONTROL_BYTES, STEPS);

/**
 * What the program does with a socket: `tuple` and `details` write a row, with or without owner, queues and memory;
 * `groups` counts it, and writes a row only if it finds no place in a group.
 */
export type WalkMode = "tuple" | "details" | "groups";

/** Returns the size of the map's value, and where its rows are. A step writes at most one row. */
export function walkPlaces(mode: WalkMode): {
  readonly firstRow: number;
  readonly rowBytes: number;
  readonly bytes: number;
} {
  const firstRow = mode === "groups" ? GROUP_PLACES.rows : CONTROL_BYTES;
  const rowBytes = mode === "details" ? DETAILED_BYTES : DIAG_MESSAGE_BYTES;
  return { firstRow, rowBytes, bytes: firstRow + STEPS * rowBytes };
}

const GET_CURRENT_TASK_BTF = 158;
const LOOP = 181;
const NEW_SYN_RECV = 12;
/**
 * Bucket of a lane that found no further bucket. Shifted by one, the number also stands for the end of that lane's
 * chain.
 */
const NO_BUCKET = -1;

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
  const { offsets, types, details } = layout;
  const { firstRow, rowBytes } = walkPlaces(mode);
  if (mode === "details" && !details) return undefined;
  const a = new Assembler();
  /**
   * Turns the address in R1 into a pointer of the given type in R0. Loads through such a pointer read 0 instead of
   * faulting.
   */
  const cast = (type: number) => a.alu("mov", 2, type).callKernel(types.cast);
  const count = (field: number) => a.load(8, 1, 6, field).alu("add", 1, 1).store(8, 6, field, 1);
  /** Loads the socket whose node is in R1 into the cache, unless it is a chain's end. */
  const touch = (label: string) => {
    a.jumpIf("set", 1, 1, label).alu("add", 1, -offsets.node);
    cast(types.socket).load(8, 1, 0, offsets.node).load(1, 1, 0, offsets.state).label(label);
  };
  /** Ends this step if R`register` is outside a range. */
  const within = (register: number, range: number, label: string) =>
    a
      .load(8, 1, 6, range)
      .jumpIfBy("lt", register, 1, label)
      .load(8, 1, 6, range + 8)
      .jumpIfBy("gt", register, 1, label);

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
    .load(8, 7, 9, WALK.lanes)
    .jumpIf("set", 7, 1, "end of chain")
    .aluBy("mov", 1, 7)
    .alu("add", 1, -offsets.node);
  cast(types.socket).aluBy("mov", 8, 0).load(8, 1, 8, offsets.node).store(8, 9, WALK.lanes, 1);
  // The socket's memory was freed meanwhile; start the chain over rather than risk following it in circles.
  a.jumpIf("eq", 1, 0, "lost");
  touch("touched");
  a.load(8, 1, 6, WALK.everyNamespace)
    .jumpIf("ne", 1, 0, "is here")
    .load(8, 1, 8, offsets.net)
    .load(8, 2, 6, WALK.net)
    .jumpIfBy("ne", 1, 2, "done")
    .label("is here")
    .load(1, 7, 8, offsets.state)
    .jumpIf("ne", 7, TCP_TIME_WAIT, "not time-wait")
    // An orphan in FIN_WAIT2 is stored as a TIME_WAIT socket as well.
    .aluBy("mov", 1, 8);
  cast(types.timeWait)
    .load(1, 7, 0, offsets.timeWaitState)
    .label("not time-wait")
    .jumpIf("ne", 7, NEW_SYN_RECV, "not a request")
    .alu("mov", 7, TCP_SYN_RECV)
    .label("not a request")
    .alu("and", 7, 15)
    .alu("mov", 1, 1)
    .aluBy("lsh", 1, 7)
    .load(8, 2, 6, WALK.states)
    .aluBy("and", 1, 2)
    .jumpIf("eq", 1, 0, "done")
    .load(2, 5, 8, offsets.family)
    .load(8, 1, 6, WALK.family)
    .jumpIf("eq", 1, 0, "any family")
    .jumpIfBy("ne", 1, 5, "done")
    .label("any family")
    .load(2, 3, 8, offsets.localPort)
    .load(2, 4, 8, offsets.remotePort)
    .swap16(4)
    // The verifier forgets the size of a swapped value.
    .alu("and", 4, 0xffff);
  within(3, WALK.localPorts, "done");
  within(4, WALK.remotePorts, "done");
  within(3, WALK.eitherPorts, "not local");
  a.jump("matches").label("not local");
  within(4, WALK.eitherPorts, "done");

  a.label("matches");
  if (mode === "groups")
    assembleGrouping(a, layout, { mapFd, places: GROUP_PLACES, logged: WALK.logged, steps: STEPS });
  a.load(8, 1, 6, WALK.rows).jumpIf("ge", 1, STEPS, "complete");
  a.aluBy("mov", 2, 1).alu("add", 2, 1).store(8, 6, WALK.rows, 2);
  // The lane is no longer needed, so R9 becomes the row.
  a.alu("mul", 1, rowBytes).mapValue(9, mapFd, firstRow).aluBy("add", 9, 1);
  // Family and state; timer and retransmissions are 0.
  a.alu("lsh", 7, 8).aluBy("add", 7, 5).store(4, 9, DIAG_FIELD.family, 7);
  a.swap16(3).store(2, 9, DIAG_FIELD.localPort, 3).swap16(4).store(2, 9, DIAG_FIELD.remotePort, 4);
  a.load(4, 1, 8, offsets.interface).store(4, 9, DIAG_FIELD.interface, 1);
  a.jumpIf("eq", 5, AF_INET6, "ipv6");
  for (const [from, to] of [
    [offsets.localIpv4, DIAG_FIELD.localIp],
    [offsets.remoteIpv4, DIAG_FIELD.remoteIp],
  ] as const) {
    a.load(4, 1, 8, from)
      .store(8, 9, to, 1)
      .storeValue(8, 9, to + 8, 0);
  }
  a.jump("written").label("ipv6");
  for (const [from, to] of [
    [offsets.localIpv6, DIAG_FIELD.localIp],
    [offsets.remoteIpv6, DIAG_FIELD.remoteIp],
  ] as const) {
    a.load(8, 1, 8, from)
      .store(8, 9, to, 1)
      .load(8, 1, 8, from + 8)
      .store(8, 9, to + 8, 1);
  }
  a.label("written");
  if (mode === "details" && details) assembleDetails(a, details, offsets.state, (type) => cast(type));
  // With all namespaces, the row's inode identifies the socket's namespace.
  a.load(8, 1, 6, WALK.everyNamespace).jumpIf("eq", 1, 0, "done").load(8, 1, 8, offsets.net);
  cast(types.net).load(4, 1, 0, offsets.namespaceInode).store(4, 9, DIAG_FIELD.inode, 1);
  a.label("done").alu("mov", 0, 0).exit();

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
  a.label("next bucket")
    .load(8, 1, 6, WALK.bucket)
    .load(8, 2, 6, WALK.end)
    .jumpIfBy("ge", 1, 2, "idle")
    .aluBy("mov", 3, 1)
    .alu("add", 3, 1)
    .store(8, 6, WALK.bucket, 3)
    .store(8, 9, WALK.lanes + 8, 1)
    .alu("lsh", 1, 3)
    .load(8, 2, 6, WALK.buckets)
    .aluBy("add", 1, 2);
  cast(types.bucket).load(8, 1, 0, 0).store(8, 9, WALK.lanes, 1).jumpIf("eq", 1, 0, "lost");
  touch("touched first");
  a.alu("mov", 0, 0).exit();

  a.label("idle")
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
