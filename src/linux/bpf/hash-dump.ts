// Dumps the kernel's hash table of TCP sockets with a BPF program (walk-program.ts), as an alternative to sock_diag for
// large tables. Covers sockets in all states except LISTEN, in this network namespace or in all namespaces that share
// the table. The rows contain addresses, ports, state and interface; on request, owner, queues and memory.
import type { Family } from "../../util/address.js";
import type { PortRange } from "../../util/endpoint.js";
import type { DiagVisit } from "../netlink/sock-diag.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";
import { E2BIG, ENOENT } from "../syscalls/errno.js";
import { isMapFailed, lastErrno, libc, nativeView } from "../syscalls/libc.js";
import { createMap, loadBtf, loadProgram, runnerOf } from "./calls.js";
import { HashGroups } from "./hash-groups.js";
import { type KernelLayout, readKernelLayout } from "./kernel-layout.js";
import { assembleWalk, GROUP_PLACES, LANES, STEPS, WALK, type WalkMode, walkPlaces } from "./walk-program.js";

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const FIRST_BUCKETS = 4096;
/** Target number of steps per call: about 1 ms. */
const WANTED_STEPS = 8192;
/** Number of retries for a call during which a chain changed. */
const REPEATS = 8;
const ANY_PORT: PortRange = { first: 0, last: 65_535 };
/** The functions `main` (global) and `step` (static), which return an int and take no parameters. */
const FUNCTION_TYPES = [
  ...[1, 0x01_00_00_00, 4, 0x01_00_00_20],
  ...[0, 0x0d_00_00_00, 1],
  ...[5, 0x0c_00_00_01, 2],
  ...[10, 0x0c_00_00_00, 2],
];
const FUNCTION_NAMES = "\0int\0main\0step\0";
const [MAIN_TYPE, STEP_TYPE] = [3, 4];

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
   * Whether rows contain inode, uid, queues and memory (INET_DIAG_SKMEMINFO), too.
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
  private readonly mode: WalkMode;
  private readonly rowBytes: number;
  private readonly fds: number[] = [];
  private address = 0;
  private rows = Buffer.alloc(0);
  private words = new Uint32Array(0);
  private run: () => number = () => 0;
  private size = 0;
  private from = 0;
  private buckets = FIRST_BUCKETS;

  constructor(request: HashRequest) {
    this.mode = request.portBits ? "groups" : request.details ? "details" : "tuple";
    this.rowBytes = walkPlaces(this.mode).rowBytes;
    this.error = this.open(request.portBits);
    if (this.error !== 0) return;
    const { words } = this;
    words[WALK.states / 4] = request.states;
    words[WALK.family / 4] = request.family === undefined ? 0 : request.family === 6 ? AF_INET6 : AF_INET;
    words[WALK.everyNamespace / 4] = request.everyNamespace ? 1 : 0;
    this.setRange(WALK.localPorts, request.localPorts);
    this.setRange(WALK.remotePorts, request.remotePorts);
    this.setRange(WALK.eitherPorts, request.eitherPorts);
    // With 0 steps, the program only locates the table.
    this.error = this.run();
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
    if (this.address !== 0) libc.munmap(this.address, walkPlaces(this.mode).bytes);
    this.address = 0;
    this.groups = undefined;
    this.rows = Buffer.alloc(0);
    this.words = new Uint32Array(0);
    for (const fd of this.fds.splice(0)) libc.close(fd);
    this.size = 0;
  }

  /** @returns 0 or a negative errno */
  private open(portBits: Uint8Array | undefined): number {
    const { bytes, firstRow } = walkPlaces(this.mode);
    const map = this.keep(createMap("fourtuple", bytes));
    if (map < 0) return map;
    const layout = readKernelLayout();
    if (!layout) return -ENOENT;
    const program = this.load(layout, map);
    if (program < 0) return program;
    const address = libc.mmap(0, bytes, PROT_READ_WRITE, MAP_SHARED, map, 0);
    if (isMapFailed(address)) return -lastErrno();
    this.address = address;
    const view = nativeView(address, bytes);
    this.words = new Uint32Array(view, 0, firstRow / 4);
    this.rows = Buffer.from(view, firstRow);
    if (portBits) this.groups = new HashGroups(view, GROUP_PLACES, portBits);
    this.run = runnerOf(program);
    return 0;
  }

  private load(layout: KernelLayout, map: number): number {
    const btf = this.keep(loadBtf(encodeFunctionTypes()));
    if (btf < 0) return btf;
    const assembled = assembleWalk(layout, map, this.mode);
    if (!assembled) return -ENOENT;
    const { code, functions } = assembled;
    const [main, step] = functions;
    const types = [[main, MAIN_TYPE!] as const, [step, STEP_TYPE!] as const];
    return this.keep(loadProgram({ name: "fourtuple", code, btf, functions: types }));
  }

  private keep(fd: number): number {
    if (fd >= 0) this.fds.push(fd);
    return fd;
  }

  /** @returns 0 or a negative errno */
  private readPart(): number {
    const { words } = this;
    for (let repeats = 0; ; ) {
      const to = Math.min(this.size, this.from + this.buckets);
      this.prepare(to);
      const error = this.run();
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

function encodeFunctionTypes(): Buffer {
  const names = Buffer.from(FUNCTION_NAMES, "latin1");
  const types = Buffer.from(Uint32Array.from(FUNCTION_TYPES).buffer);
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header[2] = 1;
  header.writeUInt32LE(header.length, 4);
  header.writeUInt32LE(types.length, 12);
  header.writeUInt32LE(types.length, 16);
  header.writeUInt32LE(names.length, 20);
  return Buffer.concat([header, types, names]);
}
