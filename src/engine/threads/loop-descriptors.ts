// Finds the descriptors of this thread's event loop: its epoll set, and the eventfd and signal pipe in that set. A
// thread that has unshared its descriptor table closes these descriptors only in its own copy when it ends, so the
// main thread must close the others.
import { createSocket } from "node:dgram";
import { setImmediate } from "node:timers/promises";
import { listDescriptors, readText } from "../../linux/proc/procfs.js";
import { openUdp } from "../../linux/syscalls/socket.js";

// The loop adds a new descriptor to its epoll set before its next wait, within one or two iterations.
const TURNS = 4;
/** Target of the link in /proc/PID/fd for an epoll set. */
const EPOLL_SET = "anon_inode:[eventpoll]";

/**
 * Registers a marker socket with this thread's event loop. The epoll set that contains the marker belongs to the loop.
 * The socket sends and receives nothing.
 *
 * @returns an empty array if the loop cannot be identified with certainty
 */
export async function findLoopDescriptors(): Promise<number[]> {
  const marker = openUdp(4);
  if (marker < 0) return [];
  const socket = createSocket("udp4").bind({ fd: marker });
  const loop = await findWatcher(marker);
  socket.close();
  if (!loop) return [];
  const { epoll, watched } = loop;
  // The write end of a pipe is in no epoll set. That end is found by its name, which both ends share.
  const all = listDescriptors();
  const pipes = all.filter(({ fd, target }) => watched.includes(fd) && target.startsWith("pipe:"));
  const ends = all.filter(({ target }) => pipes.some((pipe) => pipe.target === target)).map(({ fd }) => fd);
  return [...new Set([epoll, ...watched, ...ends])].filter((fd) => fd !== marker);
}

/** Finds the only epoll set that contains `marker`, waiting until the loop has added it. */
async function findWatcher(marker: number): Promise<{ epoll: number; watched: number[] } | undefined> {
  for (let turn = 0; turn < TURNS; turn++) {
    await setImmediate();
    const sets = listDescriptors()
      .filter(({ target }) => target === EPOLL_SET)
      .map(({ fd }) => ({ epoll: fd, watched: watchedBy(fd) }));
    const found = sets.filter(({ watched }) => watched.includes(marker));
    if (found.length === 1) return found[0];
  }
  return undefined;
}

/** Returns the descriptors watched by an epoll set. */
function watchedBy(fd: number): number[] {
  const info = readText(`/proc/thread-self/fdinfo/${fd}`) ?? "";
  return [...info.matchAll(/^tfd:\s+(\d+) /gm)].map(([, watched]) => Number(watched));
}
