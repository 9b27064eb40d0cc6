// Finds the descriptors of this thread's own event loop: its epoll set, and in it an eventfd and a pipe for signals. A
// thread that unshares its descriptor table closes them in its own copy only when it ends; the main thread's copies must
// be closed there.
import { createSocket } from "node:dgram";
import { readdirSync, readlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { readText } from "../sys/procfs.js";
import { openUdp } from "../sys/socket.js";

// The loop takes a new descriptor into its set when it next waits: one turn or two.
const TURNS = 4;
const FOLDER = "/proc/thread-self";

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
  const { epoll, watched, fds } = loop;
  // The writing end of a pipe is in no set: it is known by its name, which both ends have.
  const pipes = watched.map(linkOf).filter((link) => link.startsWith("pipe:"));
  const ends = fds.filter((fd) => pipes.includes(linkOf(fd)));
  return [...new Set([epoll, ...watched, ...ends])].filter((fd) => fd !== marker);
}

/** The one epoll set that has `marker`, once the loop has come round to taking it in. */
async function findWatcher(marker: number): Promise<{ epoll: number; watched: number[]; fds: number[] } | undefined> {
  for (let turn = 0; turn < TURNS; turn++) {
    await setImmediate();
    const fds = readdirSync(`${FOLDER}/fd`).map(Number);
    const epolls = fds.filter((fd) => watchedBy(fd).includes(marker));
    if (epolls.length === 1) return { epoll: epolls[0]!, watched: watchedBy(epolls[0]!), fds };
  }
  return undefined;
}

/** What an epoll set watches, nothing for any other descriptor. */
function watchedBy(fd: number): number[] {
  const info = readText(`${FOLDER}/fdinfo/${fd}`) ?? "";
  return [...info.matchAll(/^tfd:\s+(\d+) /gm)].map(([, watched]) => Number(watched));
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`${FOLDER}/fd/${fd}`);
  } catch {
    return "";
  }
}
