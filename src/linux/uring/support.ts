// Whether this kernel's io_uring can hold whole lives of connections: asked by opening a ring and by operation, not by version, since
// containers forbid one or the other and distributions bring single ones to older kernels.
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { OP, OP_SUPPORTED, PROBE, REGISTER, SYS_IO_URING } from "./abi.js";
import { Ring } from "./ring.js";

const OPERATIONS = 128;
const SMALL = { entries: 4, completions: 8 };

/** What stands in the way of io_uring. */
export type UringObstacle =
  /** io_uring_setup() failed: -EPERM by a container's filter or kernel.io_uring_disabled, -ENOSYS on old kernels, -ENOMEM by RLIMIT_MEMLOCK. */
  | { readonly kind: "setup"; readonly errno: number }
  /** The kernel lacks operations, by their names in OP. */
  | { readonly kind: "operations"; readonly missing: readonly string[] };

/** @returns undefined when whole lives of connections can be had in rings */
export function uringObstacle(): UringObstacle | undefined {
  const ring = Ring.open(SMALL);
  if (typeof ring === "number") return { kind: "setup", errno: -ring };
  try {
    const supported = supportedOperations(ring);
    if (typeof supported === "number") return { kind: "setup", errno: -supported };
    const missing = Object.entries(OP).filter(([, opcode]) => !supported.has(opcode));
    return missing.length === 0 ? undefined : { kind: "operations", missing: missing.map(([name]) => name) };
  } finally {
    ring.close();
  }
}

/** The opcodes that the kernel knows; or a negative errno. */
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
