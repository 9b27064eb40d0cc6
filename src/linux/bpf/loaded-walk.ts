// Loads the BPF program (walk-program.ts) with its map, and keeps one of each kind for the next dump, because the kernel
// verifies a program for some milliseconds.
import { ENOENT } from "../syscalls/errno.js";
import { isMapFailed, lastErrno, libc, nativeView } from "../syscalls/libc.js";
import { createMap, loadBtf, loadProgram, runnerOf } from "./calls.js";
import { readKernelLayout } from "./kernel-layout.js";
import { type WalkMode, walkPlaces } from "./walk-map.js";
import { assembleWalk } from "./walk-program.js";

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
/** The functions `main` (global) and `step` (static), which return an int and take no parameters. */
const FUNCTION_TYPES = [
  ...[1, 0x01_00_00_00, 4, 0x01_00_00_20],
  ...[0, 0x0d_00_00_00, 1],
  ...[5, 0x0c_00_00_01, 2],
  ...[10, 0x0c_00_00_00, 2],
];
const FUNCTION_NAMES = "\0int\0main\0step\0";
const [MAIN_TYPE, STEP_TYPE] = [3, 4];

export interface LoadedWalk {
  readonly mode: WalkMode;
  /** The map's value, whose address is valid until close(). */
  readonly value: ArrayBuffer;
  /** Runs the program; returns 0 or a negative errno. */
  readonly run: () => number;
  close(): void;
}

const idle = new Map<WalkMode, LoadedWalk>();

/** @returns a negative errno if the kernel refuses; see HashDump.error */
export function takeWalk(mode: WalkMode): LoadedWalk | number {
  const known = idle.get(mode);
  idle.delete(mode);
  return known ?? loadWalk(mode);
}

/** @param isIntact whether the program may be used again */
export function releaseWalk(walk: LoadedWalk, isIntact: boolean): void {
  if (isIntact && !idle.has(walk.mode)) idle.set(walk.mode, walk);
  else walk.close();
}

function loadWalk(mode: WalkMode): LoadedWalk | number {
  const fds: number[] = [];
  const loaded = load(mode, (fd) => {
    if (fd >= 0) fds.push(fd);
    return fd;
  });
  const closeAll = () => {
    for (const fd of fds.splice(0)) libc.close(fd);
  };
  if (typeof loaded === "number") {
    closeAll();
    return loaded;
  }
  const { address, program } = loaded;
  const { bytes } = walkPlaces(mode);
  return {
    mode,
    value: nativeView(address, bytes),
    run: runnerOf(program),
    close: () => {
      libc.munmap(address, bytes);
      closeAll();
    },
  };
}

/** @returns a negative errno on failure */
function load(
  mode: WalkMode,
  keep: (fd: number) => number,
): { readonly address: number; readonly program: number } | number {
  const { bytes } = walkPlaces(mode);
  const map = keep(createMap("fourtuple", bytes));
  if (map < 0) return map;
  const layout = readKernelLayout();
  const assembled = layout && assembleWalk(layout, map, mode);
  if (!assembled) return -ENOENT;
  const btf = keep(loadBtf(encodeFunctionTypes()));
  if (btf < 0) return btf;
  const [main, step] = assembled.functions;
  const functions = [[main, MAIN_TYPE!] as const, [step, STEP_TYPE!] as const];
  const program = keep(loadProgram({ name: "fourtuple", code: assembled.code, btf, functions }));
  if (program < 0) return program;
  const address = libc.mmap(0, bytes, PROT_READ_WRITE, MAP_SHARED, map, 0);
  return isMapFailed(address) ? -lastErrno() : { address, program };
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
