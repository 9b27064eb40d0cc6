// bpf(2): maps, programs and their BTF. Negative results are errnos.
import { EAGAIN } from "../syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { INSTRUCTION_BYTES } from "./assembler.js";

const SYS_BPF = process.arch === "x64" ? 321 : 280;
const MAP_CREATE = 0;
const PROG_LOAD = 5;
const PROG_TEST_RUN = 10;
const BTF_LOAD = 18;
const MAP_TYPE_ARRAY = 2;
const PROG_TYPE_SYSCALL = 31;
const F_MMAPABLE = 1 << 10;
const F_SLEEPABLE = 1 << 4;
/** Size of union bpf_attr. Any bytes that a command does not use must be zero. */
const ATTRIBUTE_BYTES = 152;
const TEST_RUN_BYTES = 80;
const FUNCTION_INFO_BYTES = 8;
/** Number of attempts to load a program whose verification a signal interrupts. */
const LOAD_ATTEMPTS = 5;

function bpf(command: number, fill: (attribute: Buffer) => void, size = ATTRIBUTE_BYTES): number {
  const attribute = new NativeBuffer(ATTRIBUTE_BYTES);
  fill(attribute.bytes);
  const result = libc.syscall(SYS_BPF, command, attribute.address, size, 0, 0, 0);
  return result < 0 ? -lastErrno() : result;
}

/**
 * Creates an array of one element that can be mapped into memory.
 *
 * @returns a descriptor or a negative errno: -EPERM without CAP_BPF
 */
export function createMap(name: string, valueBytes: number): number {
  return bpf(MAP_CREATE, (attribute) => {
    attribute.writeUInt32LE(MAP_TYPE_ARRAY, 0);
    attribute.writeUInt32LE(4, 4);
    attribute.writeUInt32LE(valueBytes, 8);
    attribute.writeUInt32LE(1, 12);
    attribute.writeUInt32LE(F_MMAPABLE, 16);
    attribute.write(name, 28, "latin1");
  });
}

/** @returns a descriptor or a negative errno */
export function loadBtf(btf: Uint8Array): number {
  const native = NativeBuffer.from(btf);
  return bpf(BTF_LOAD, (attribute) => {
    writeAddress(attribute, 0, native);
    attribute.writeUInt32LE(btf.length, 16);
  });
}

export interface Program {
  readonly name: string;
  readonly code: Uint8Array;
  /** Descriptor from loadBtf(), and the functions' types in that BTF. */
  readonly btf: number;
  /** Pairs of (first instruction, type in `btf`), in the order of the code. */
  readonly functions: readonly (readonly [at: number, type: number])[];
}

/**
 * Loads a program of type SYSCALL, which runs only when called.
 *
 * @returns a descriptor or a negative errno: -EPERM without CAP_BPF and CAP_PERFMON, -EINVAL or -EACCES from the
 *   verifier
 */
export function loadProgram({ name, code, btf, functions }: Program): number {
  const native = NativeBuffer.from(code);
  const license = NativeBuffer.from(Buffer.from("GPL\0"));
  const info = NativeBuffer.from(new Uint8Array(Uint32Array.from(functions.flat()).buffer));
  const fill = (attribute: Buffer) => {
    attribute.writeUInt32LE(PROG_TYPE_SYSCALL, 0);
    attribute.writeUInt32LE(code.length / INSTRUCTION_BYTES, 4);
    writeAddress(attribute, 8, native);
    writeAddress(attribute, 16, license);
    attribute.writeUInt32LE(F_SLEEPABLE, 44);
    attribute.write(name, 48, "latin1");
    attribute.writeUInt32LE(btf, 72);
    attribute.writeUInt32LE(FUNCTION_INFO_BYTES, 76);
    writeAddress(attribute, 80, info);
    attribute.writeUInt32LE(functions.length, 88);
  };
  let fd = -EAGAIN;
  for (let attempt = 0; attempt < LOAD_ATTEMPTS && fd === -EAGAIN; attempt++) fd = bpf(PROG_LOAD, fill);
  return fd;
}

/** Returns a function that runs a program and returns 0 or a negative errno. It allocates nothing. */
export function runnerOf(programFd: number): () => number {
  const attribute = new NativeBuffer(ATTRIBUTE_BYTES);
  attribute.bytes.writeUInt32LE(programFd, 0);
  return () =>
    libc.syscall(SYS_BPF, PROG_TEST_RUN, attribute.address, TEST_RUN_BYTES, 0, 0, 0) < 0 ? -lastErrno() : 0;
}

function writeAddress(attribute: Buffer, at: number, { address }: NativeBuffer): void {
  attribute.writeBigUInt64LE(BigInt(address), at);
}
