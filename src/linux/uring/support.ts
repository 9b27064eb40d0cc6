// Checks whether this kernel's io_uring supports all operations that connections need. The check opens a ring and
// probes each operation rather than checking the version, because containers block some operations and distributions
// backport others.
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { OP, OP_SUPPORTED, PROBE, REGISTER, SYS_IO_URING } from "./abi.js";
import { Ring } from "./ring.js";

const OPERATIONS = 128;
const SMALL = { entries: 4, completions: 8 };

/** Why io_uring cannot be used. */
export type UringObstacle =
  /**
   * io_uring_setup(), or another call on the new ring, failed: EPERM from a seccomp filter or kernel.io_uring_disabled,
   * ENOSYS on old kernels, ENOMEM from RLIMIT_MEMLOCK.
   */
  | { readonly kind: "setup"; readonly errno: number }
  /** The kernel lacks operations, named as in OP. */
  | { readonly kind: "operations"; readonly missing: readonly string[] };

/** @returns undefined if all required operations are available */
export function uringObstacle(): UringObstacle | undefined {
  const ring = Ring.open(SMALL);
  if (typeof ring === "number") return { kind: "setup", errno: -ring };
  try {
    // A seccomp filter may block any of the three calls.
    const failed = ring.enter(0, 0);
    if (failed < 0) return { kind: "setup", errno: -failed };
    const supported = supportedOperations(ring);
    if (typeof supported === "number") return { kind: "setup", errno: -supported };
    const missing = Object.entries(OP).filter(([, opcode]) => !supported.has(opcode));
    return missing.length === 0 ? undefined : { kind: "operations", missing: missing.map(([name]) => name) };
  } finally {
    ring.close();
  }
}

/** Returns the supported opcodes, or a negative errno. */
export function supportedOperations(ring: Ring): ReadonlySet<number> | number {
  const probe = new NativeBuffer(PROBE.bytes + OPERATIONS * PROBE.opBytes);
  const { register } = SYS_IO_URING;
  if (libc.syscall(register, ring.fd, REGISTER.probe, probe.address, OPERATIONS, 0, 0) < 0) return -lastErrno();
  const supported = new Set<number>();
  for (let opcode = 0; opcode < probe.bytes[PROBE.opsLength]!; opcode++) {
    const flags = probe.bytes.readUInt16LE(PROBE.bytes + opcode * PROBE.opBytes + PROBE.opFlags);
    if ((flags & OP_SUPPORTED) !== 0) supported.add(opcode);
  }
  return supported;
}
