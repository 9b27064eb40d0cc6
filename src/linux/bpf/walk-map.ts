// Where the BPF program (walk-program.ts) and its reader keep things in the map that they share.
import { DIAG_MESSAGE_BYTES } from "../netlink/diag-message.js";
import { DETAILED_BYTES } from "./walk-details.js";
import { groupPlaces } from "./walk-groups.js";

export const LANES = 16;
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
  /** Hash of the key of the socket's group. */
  hash: 160,
  /** Current node and bucket of each lane. */
  lanes: 256,
} as const;
const CONTROL_BYTES = 4096;
/** Where a program that groups sockets keeps its groups and rows. */
export const GROUP_PLACES = groupPlaces(CONTROL_BYTES, STEPS);

/**
 * What the program does with a socket: `tuple` and `details` write a row, without or with owner, queues, memory and
 * cgroup; `groups` counts it, and writes a row only if it finds no place in a group.
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
