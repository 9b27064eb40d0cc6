// Finds sockets without descriptors: files that a process has registered in an io_uring. The ring's fdinfo lists
// these files under UserFiles (io_uring/fdinfo.c), one per line: " 7: socket:[50637]".
import { closeSync, openSync, readSync } from "node:fs";
import { setTimeout as delay, setImmediate } from "node:timers/promises";

const CHUNK_BYTES = 256 * 1024;
const TURN_MS = 10;
/** The kernel omits the list while the ring is locked, so retry. */
const ATTEMPTS = 20;
const AGAIN_MS = 2;
const LIST = "UserFiles:";
const SOCKET = ": socket:[";
/** How TCP sockets appear in fdinfo on kernels that do not print paths. */
const NAMELESS = [": TCP", ": TCPv6"];

export interface RingFiles {
  /**
   * Whether the kernel listed the files. The kernel omits the files while the ring is busy, and hides other users'
   * rings.
   */
  readonly isListed: boolean;
  /** Number of listed sockets without an inode. */
  readonly nameless: number;
}

/**
 * @param file /proc/PID/fdinfo/FD of a ring
 * @param visit called with the inode of each registered socket
 */
export async function forEachRingSocket(file: string, visit: (inode: number) => void): Promise<RingFiles> {
  for (let attempt = 1; ; attempt++) {
    const files = await readOnce(file, visit);
    if (files.isListed || attempt === ATTEMPTS) return files;
    await delay(AGAIN_MS);
  }
}

async function readOnce(file: string, visit: (inode: number) => void): Promise<RingFiles> {
  let isListed = false;
  let nameless = 0;
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return { isListed, nameless };
  }
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest = "";
  let turnMs = performance.now();
  try {
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) {
      const text = rest + buffer.toString("latin1", 0, length);
      let start = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
        const line = text.slice(start, end);
        start = end + 1;
        const at = line.indexOf(SOCKET);
        if (at >= 0) visit(Number(line.slice(at + SOCKET.length, -1)));
        else if (line.startsWith(LIST)) isListed = true;
        else if (NAMELESS.some((name) => line.endsWith(name))) nameless++;
      }
      rest = text.slice(start);
      if (performance.now() - turnMs < TURN_MS) continue;
      await setImmediate();
      turnMs = performance.now();
    }
  } catch {
    // The process exited during the scan.
  } finally {
    closeSync(fd);
  }
  return { isListed, nameless };
}
