// Typed bindings for the C library's system calls. This is the only file that uses koffi, for other libraries as
// well. Buffers are passed as addresses, which is cheaper than converting pointers on every call. Callers in linux/
// convert -1 to a negative errno.
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { containedBytes, IS_SINGLE_FILE, packageRequire } from "../../util/program/files.js";
import { loadAgain, loadFromMemory } from "./native-module.js";
import { assertSupported, bindingFailed } from "./platform.js";

/** Key of the environment data that tells threads the location of koffi's native module. */
const BINDING = "fourtuple.koffi";

assertSupported();
// koffi is CommonJS. require() saves workers from loading a module graph asynchronously.
const koffi = loadKoffi();
// The executable exports its C library, so the name (glibc or musl) is not needed.
const program = koffi.load(null);

export type Call = (...args: number[]) => number;

const call = (prototype: string): Call => program.func(prototype) as Call;

export const libc = {
  accept4: call("int accept4(int fd, uintptr_t address, uintptr_t length, int flags)"),
  bind: call("int bind(int fd, uintptr_t address, uint32_t length)"),
  clock_gettime: call("int clock_gettime(int clock, uintptr_t time)"),
  close: call("int close(int fd)"),
  connect: call("int connect(int fd, uintptr_t address, uint32_t length)"),
  epoll_create1: call("int epoll_create1(int flags)"),
  epoll_ctl: call("int epoll_ctl(int ep, int op, int fd, uintptr_t event)"),
  epoll_wait: call("int epoll_wait(int ep, uintptr_t events, int max, int timeout_ms)"),
  eventfd: call("int eventfd(uint32_t value, int flags)"),
  flock: call("int flock(int fd, int operation)"),
  getpeername: call("int getpeername(int fd, uintptr_t address, uintptr_t length)"),
  getrlimit: call("int getrlimit(int resource, uintptr_t limit)"),
  getsockname: call("int getsockname(int fd, uintptr_t address, uintptr_t length)"),
  getsockopt: call("int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t length)"),
  if_indextoname: call("uintptr_t if_indextoname(uint32_t index, uintptr_t name)"),
  if_nametoindex: call("uint32_t if_nametoindex(uintptr_t name)"),
  ioctl: call("int ioctl(int fd, unsigned long request, uintptr_t argument)"),
  listen: call("int listen(int fd, int backlog)"),
  mmap: call("uintptr_t mmap(uintptr_t at, size_t length, int protection, int flags, int fd, long offset)"),
  munmap: call("int munmap(uintptr_t at, size_t length)"),
  open: call("int open(uintptr_t path, int flags)"),
  read: call("long read(int fd, uintptr_t buffer, size_t length)"),
  recv: call("long recv(int fd, uintptr_t buffer, size_t length, int flags)"),
  send: call("long send(int fd, uintptr_t buffer, size_t length, int flags)"),
  setns: call("int setns(int fd, int kind)"),
  setrlimit: call("int setrlimit(int resource, uintptr_t limit)"),
  setsockopt: call("int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t length)"),
  shutdown: call("int shutdown(int fd, int how)"),
  socket: call("int socket(int family, int type, int protocol)"),
  syscall: call("long syscall(long number, long a, long b, long c, long d, long e, long f)"),
  unshare: call("int unshare(int flags)"),
  write: call("long write(int fd, uintptr_t buffer, size_t length)"),
};

/**
 * Loads a library's functions by prototype.
 * @param library file name; null for the symbols exported by this executable
 * @throws if the library cannot be loaded
 */
export function loadLibrary(library: string | null): (prototype: string) => Call {
  const loaded = library === null ? program : koffi.load(library);
  return (prototype) => loaded.func(prototype) as Call;
}

const prototypes = new Map<string, import("koffi").TypeObject>();

/**
 * Creates a function pointer through which C can call `handler`, on this thread only.
 *
 * @param prototype declaration with uintptr_t for pointers
 */
export function callbackOf(prototype: string, handler: Call): { readonly address: number; release(): void } {
  // koffi rejects a second declaration of a name.
  const declared = prototypes.get(prototype) ?? koffi.pointer(koffi.proto(prototype));
  prototypes.set(prototype, declared);
  const registered = koffi.register(handler, declared);
  return { address: Number(registered), release: () => koffi.unregister(registered) };
}

/** Returns the errno of this thread's last failed call. If a number is passed, errno is set to it. */
export const lastErrno = koffi.errno as (errno?: number) => number;

/**
 * Returns whether mmap() failed, that is, returned MAP_FAILED. With all its bits set, the value exceeds the safe
 * integers.
 */
export function isMapFailed(address: number | bigint): boolean {
  return address >= 2n ** 63n;
}

/** Memory that the kernel reads or writes. The memory never moves, so its address can be stored. */
export class NativeBuffer {
  readonly bytes: Buffer;
  readonly address: number;

  /** @param mapped address of existing memory; drop this object before unmapping it */
  constructor(size: number, mapped?: number) {
    // Do not allocate the memory from Node's pool, whose pages are shared with other buffers.
    this.bytes = mapped === undefined ? Buffer.alloc(size) : Buffer.from(nativeView(mapped, size));
    this.address = mapped ?? addressOf(this.bytes);
  }

  static from(bytes: Uint8Array): NativeBuffer {
    const buffer = new NativeBuffer(Math.max(1, bytes.length));
    buffer.bytes.set(bytes);
    return buffer;
  }
}

/** Returns the address of an array's memory, which is valid while the array exists. */
export function addressOf(bytes: Uint8Array): number {
  return Number(koffi.address(bytes));
}

/** Returns a view of memory mapped by the kernel. Reads and writes access the memory directly. */
export function nativeView(address: number, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length);
}

function loadKoffi(): typeof import("koffi") {
  if (IS_SINGLE_FILE) return loadContainedKoffi();
  const require = packageRequire();
  // Threads reuse the file found by the main thread: searching for it again would dominate their loading time.
  const known = getEnvironmentData(BINDING);
  try {
    if (typeof known === "string") return require(known);
    const koffi = require("koffi");
    setEnvironmentData(
      BINDING,
      Object.keys(require.cache).find((file) => file.endsWith("/koffi.node")),
    );
    return koffi;
  } catch (cause) {
    throw bindingFailed(cause);
  }
}

function loadContainedKoffi(): typeof import("koffi") {
  const known = getEnvironmentData(BINDING);
  if (typeof known === "string") return loadAgain(known);
  const { exports, path } = loadFromMemory<typeof import("koffi")>(containedBytes("koffi.node"));
  setEnvironmentData(BINDING, path);
  return exports;
}
