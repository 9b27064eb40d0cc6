// Dumps the kernel's hash table of TCP sockets with a BPF program (walk-program.ts), as an alternative to sock_diag for
// large tables. Covers sockets in all states except LISTEN, in this network namespace or in all namespaces that share
// the table. The rows contain addresses, ports, state and interface; on request, owner, queues, memory and cgroup.
import type { Family } from "../../util/address.js";
import type { PortRange } from "../../util/endpoint.js";
import type { DiagVisit } from "../netlink/sock-diag.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";
import { E2BIG } from "../syscalls/errno.js";
import { HashGroups } from "./hash-groups.js";
import { type LoadedWalk, releaseWalk, takeWalk } from "./loaded-walk.js";
import { GROUP_PLACES, LANES, STEPS, WALK, walkPlaces } from "./walk-map.js";

const FIRST_BUCKETS = 4096;
/** Target number of steps per call: about 1 ms. */
const WANTED_STEPS = 8192;
/** Number of retries for a call during which a chain changed. */
const REPEATS = 8;
const ANY_PORT: PortRange = { first: 0, last: 65_535 };
export interface HashRequest {
  /** By default, both families. */
  readonly family?: Family | undefined;
  /** Bits 1 << state; see TCP_STATES. */
  readonly states: number;
  readonly localPorts?: PortRange | undefined;
  readonly remotePorts?: PortRange | undefined;
  /** A socket matches if either of its ports is in this range. */
  readonly eitherPorts?: PortRange | undefined;
  /** Whether to include all network namespaces. The inode in a row then identifies the socket's namespace. */
  readonly everyNamespace?: boolean | undefined;
  /**
   * Whether rows contain inode, uid, queues, memory (INET_DIAG_SKMEMINFO) and cgroup (INET_DIAG_CGROUP_ID), too.
   */
  readonly details?: boolean | undefined;
  /**
   * Counts sockets in groups, which `groups` has when the dump is complete. next() then visits only sockets that find
   * no place there. An array with PORT_BITs for each port.
   */
  readonly portBits?: Uint8Array | undefined;
}

/** A dump. Call next() to read the next part of the table, and read each message in `bytes`. */
export class HashDump {
  /** True if chains changed while they were being read, even after retries. */
  wasInterrupted = false;
  /**
   * Negative errno that prevented or ended the dump; 0 for none: EPERM without CAP_BPF and CAP_PERFMON, ENOENT if the
   * kernel does not describe its types, EINVAL or EACCES if it refuses the program, E2BIG for a chain that is too long.
   */
  error = 0;
  /** The groups, if requested. */
  groups: HashGroups | undefined;
  private readonly rowBytes: number;
  private walk: LoadedWalk | undefined;
  private rows = Buffer.alloc(0);
  private words = new Uint32Array(0);
  private size = 0;
  private from = 0;
  private buckets = FIRST_BUCKETS;

  constructor(request: HashRequest) {
    const mode = request.portBits ? "groups" : request.details ? "details" : "tuple";
    const { firstRow, rowBytes } = walkPlaces(mode);
    this.rowBytes = rowBytes;
    const walk = takeWalk(mode);
    if (typeof walk === "number") {
      this.error = walk;
      return;
    }
    this.walk = walk;
    this.words = new Uint32Array(walk.value, 0, firstRow / 4);
    this.rows = Buffer.from(walk.value, firstRow);
    if (request.portBits) this.groups = new HashGroups(walk.value, GROUP_PLACES, request.portBits);
    const { words } = this;
    words[WALK.steps / 4] = 0;
    words[WALK.states / 4] = request.states;
    words[WALK.family / 4] = request.family === undefined ? 0 : request.family === 6 ? AF_INET6 : AF_INET;
    words[WALK.everyNamespace / 4] = request.everyNamespace ? 1 : 0;
    this.setRange(WALK.localPorts, request.localPorts);
    this.setRange(WALK.remotePorts, request.remotePorts);
    this.setRange(WALK.eitherPorts, request.eitherPorts);
    // With 0 steps, the program only locates the table.
    this.error = walk.run();
    this.size = words[WALK.mask / 4]! + 1;
  }

  /** Number of sockets that the latest call of next() read, including grouped ones, which have entries in the log. */
  get logged(): number {
    return this.words[WALK.logged / 4]!;
  }

  /** The rows read by the latest call of next(). */
  get bytes(): Buffer {
    return this.rows;
  }

  /**
   * Reads the next part of the table and visits its sockets.
   *
   * @returns false when the dump has completed, was stopped by the visitor or has failed (see `error`)
   */
  next(visit: DiagVisit): boolean {
    if (this.error !== 0 || this.from >= this.size) return false;
    this.error = this.readPart();
    if (this.error !== 0) return false;
    const { rowBytes } = this;
    const end = this.words[WALK.rows / 4]! * rowBytes;
    for (let at = 0; at < end; at += rowBytes) {
      if (visit(at, at + rowBytes) === false) return false;
    }
    return this.from < this.size;
  }

  close(): void {
    if (this.walk) releaseWalk(this.walk, this.error === 0);
    this.walk = undefined;
    this.groups = undefined;
    this.rows = Buffer.alloc(0);
    this.words = new Uint32Array(0);
    this.size = 0;
  }

  /** @returns 0 or a negative errno */
  private readPart(): number {
    const { words } = this;
    for (let repeats = 0; ; ) {
      const to = Math.min(this.size, this.from + this.buckets);
      this.prepare(to);
      const error = this.walk!.run();
      if (error !== 0) return error;
      if (words[WALK.diverted / 4] !== 0) {
        if (repeats++ < REPEATS) {
          // On a busy host, a shorter part is less likely to change.
          this.buckets = Math.max(1, (to - this.from) >>> 1);
          this.groups?.undo(this.logged);
          continue;
        }
        this.wasInterrupted = true;
      }
      if (words[WALK.idle / 4] !== LANES) {
        this.groups?.undo(this.logged);
        if (to - this.from === 1) return -E2BIG;
        this.buckets = (to - this.from) >>> 1;
        continue;
      }
      this.from = to;
      const wanted = Math.floor((this.buckets * WANTED_STEPS) / words[WALK.stepsTaken / 4]!);
      this.buckets = Math.max(1, Math.min(wanted, 2 * this.buckets));
      return 0;
    }
  }

  private prepare(to: number): void {
    const { words } = this;
    words[WALK.bucket / 4] = this.from;
    words[WALK.end / 4] = to;
    words[WALK.steps / 4] = STEPS;
    words[WALK.idle / 4] = 0;
    words[WALK.diverted / 4] = 0;
    words[WALK.rows / 4] = 0;
    words[WALK.logged / 4] = 0;
    // Each lane starts at the end of chain 0.
    words.fill(0, WALK.lanes / 4, WALK.lanes / 4 + 4 * LANES);
    for (let lane = 0; lane < LANES; lane++) words[WALK.lanes / 4 + 4 * lane] = 1;
  }

  private setRange(field: number, { first, last }: PortRange = ANY_PORT): void {
    this.words[field / 4] = first;
    this.words[field / 4 + 2] = last;
  }
}
