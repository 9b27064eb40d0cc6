// Finds the descriptors of this thread's own event loop: its epoll set, the eventfd in it, and the pipe in it for
// signals. A thread that unshares its descriptor table closes them in its own copy only when it ends; the main thread's
// copies must be closed there.
import { readdirSync, readlinkSync } from "node:fs";
import { MessageChannel } from "node:worker_threads";
import { readText } from "../sys/procfs.js";

const FOLDER = "/proc/thread-self/fdinfo";

/**
 * Sends this thread a message: that writes to its loop's eventfd, which keeps the value until the loop comes round,
 * and that cannot be while this runs. The epoll set that watches this eventfd is the loop's.
 *
 * @returns nothing where they cannot be told from others
 */
export function findLoopDescriptors(): number[] {
  const before = readInfos();
  const { port1, port2 } = new MessageChannel();
  port1.on("message", () => undefined);
  port2.postMessage(null);
  const rung = [...readInfos()].filter(([fd, info]) => ringCount(info) > 0 && ringCount(before.get(fd) ?? "") === 0);
  port1.close();
  // Another thread's loop may have been rung in the same moment: then better none than a wrong one.
  if (rung.length !== 1) return [];
  const sets = [...before].filter(([, info]) => watchedBy(info).includes(rung[0]![0]));
  if (sets.length !== 1) return [];
  const [epoll, info] = sets[0]!;
  const watched = watchedBy(info);
  // The writing end of the pipe is in no set: it is known by its name, which both ends have.
  const pipes = watched.map(linkOf).filter((link) => link.startsWith("pipe:"));
  const ends = [...before.keys()].filter((fd) => pipes.includes(linkOf(fd)));
  return [...new Set([epoll, ...watched, ...ends])];
}

/** What an epoll set watches, nothing for any other descriptor. */
function watchedBy(info: string): number[] {
  return [...info.matchAll(/^tfd:\s+(\d+) /gm)].map(([, fd]) => Number(fd));
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/thread-self/fd/${fd}`);
  } catch {
    return "";
  }
}

function readInfos(): Map<number, string> {
  return new Map(readdirSync(FOLDER).map((fd) => [Number(fd), readText(`${FOLDER}/${fd}`) ?? ""]));
}

/** What an eventfd has been rung, 0 for any other descriptor. The kernel prints it in hexadecimal. */
function ringCount(info: string): number {
  return Number.parseInt(/^eventfd-count:\s+(\w+)/m.exec(info)?.[1] ?? "0", 16);
}
