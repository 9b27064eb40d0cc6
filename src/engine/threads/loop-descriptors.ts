// Finds the descriptors of this thread's own event loop: its epoll set, and in it an eventfd and a pipe for signals. A
// thread that unshares its descriptor table closes them in its own copy only when it ends; the main thread's copies must
// be closed there.
import { createSocket } from "node:dgram";
import { setImmediate } from "node:timers/promises";
import { listDescriptors, readText } from "../../linux/proc/procfs.js";
import { openUdp } from "../../linux/syscalls/socket.js";

// The loop takes a new descriptor into its set when it next waits: one turn or two.
const TURNS = 4;
/** What the link in /proc/PID/fd of an epoll set leads to. */
const EPOLL_SET = "anon_inode:[eventpoll]";

/**
 * Lets this thread's event loop watch a socket that nobody else knows: the epoll set that has it is the loop's. The
 * socket sends and receives nothing.
 *
 * @returns nothing where the loop cannot be told from others with certainty
 */
export async function findLoopDescriptors(): Promise<number[]> {
  const marker = openUdp(4);
  if (marker < 0) return [];
  const socket = createSocket("udp4").bind({ fd: marker });
  const loop = await findWatcher(marker);
  socket.close();
  if (!loop) return [];
  const { epoll, watched } = loop;
  // The writing end of a pipe is in no set: it is known by its name, which both ends have.
  const all = listDescriptors();
  const pipes = all.filter(({ fd, target }) => watched.includes(fd) && target.startsWith("pipe:"));
  const ends = all.filter(({ target }) => pipes.some((pipe) => pipe.target === target)).map(({ fd }) => fd);
  return [...new Set([epoll, ...watched, ...ends])].filter((fd) => fd !== marker);
}

/** The one epoll set that has `marker`, once the loop has come round to taking it in. */
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

/** What an epoll set watches. */
function watchedBy(fd: number): number[] {
  const info = readText(`/proc/thread-self/fdinfo/${fd}`) ?? "";
  return [...info.matchAll(/^tfd:\s+(\d+) /gm)].map(([, watched]) => Number(watched));
}
