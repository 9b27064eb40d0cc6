// A TUN device that the threads of a server share, with a queue for each, because an address has only one device. The
// kernel deals packets to queues by a hash of both addresses and ports that is the same in both directions
// (tun_automq_select_queue), so a connection stays with one thread as long as the number of queues does not change.
// Hence the device goes up when all threads have a queue, and no thread gives its queue back before the last one.
import { removeLink } from "../../../linux/netlink/link-changes.js";
import { ECANCELED, ENODEV, ETIMEDOUT } from "../../../linux/syscalls/errno.js";
import { interfaceIndex, interfaceName } from "../../../linux/syscalls/interface-names.js";
import { libc } from "../../../linux/syscalls/libc.js";
import { openTun } from "../../../linux/tun/tun.js";

/** Plain data that all threads have. */
export interface SharedTun {
  /** Number of queues, one per thread. */
  readonly queues: number;
  readonly memory: SharedArrayBuffer;
}

/** Maximum number of queues (MAX_TAP_QUEUES in drivers/net/tun.c). */
export const MOST_QUEUES = 256;
/** Words in the memory. */
const WORD = {
  /** Number of threads that have begun. */
  begun: 0,
  /** The device's index, or a negative errno; 0 before it is known. */
  index: 1,
  /** Number of threads that have a queue and have not ended. */
  users: 2,
  /** 1 once the device is up, or a negative errno. */
  isUp: 3,
} as const;
const WORDS = Object.keys(WORD).length;
/** Threads start at different times. */
const OPENING_MS = 60_000;
/** As long as a thread waits for its peers' last packets. */
const CLOSING_MS = 30_000;

export function planSharedTun(queues: number): SharedTun {
  return { queues, memory: new SharedArrayBuffer(WORDS * 4) };
}

/**
 * Opens this thread's queue, and waits until all threads have theirs and the device is up.
 *
 * @param setUp brings the device up; called by the last thread
 * @returns descriptor of the queue and index of the device, or a negative errno
 */
export function openQueue(
  { queues, memory }: SharedTun,
  setUp: (index: number) => number,
): { readonly fd: number; readonly index: number; readonly isFirst: boolean } | number {
  const words = new Int32Array(memory);
  const isFirst = Atomics.add(words, WORD.begun, 1) === 0;
  const tun = isFirst ? openTun(true) : openAnother(words);
  if (typeof tun === "number") {
    fail(words, tun);
    return tun;
  }
  const index = interfaceIndex(tun.name);
  if (isFirst) announce(words, WORD.index, index);
  if (Atomics.add(words, WORD.users, 1) === queues - 1) announce(words, WORD.isUp, setUp(index) || 1);
  const isUp = wait(words, WORD.isUp, OPENING_MS);
  if (isUp > 0) return { fd: tun.fd, index, isFirst };
  libc.close(tun.fd);
  return isUp;
}

/** Ends the wait of openQueue() in all threads, because one of them will never open its queue. */
export function cancelOpening({ memory }: SharedTun): void {
  fail(new Int32Array(memory), -ECANCELED);
}

/**
 * Closes this thread's queue. The last thread removes the device.
 * @param waits whether to wait until all threads have ended
 */
export function closeQueue({ memory }: SharedTun, fd: number, index: number, waits: boolean): void {
  const words = new Int32Array(memory);
  if (Atomics.sub(words, WORD.users, 1) === 1) {
    removeLink(index);
    Atomics.store(words, WORD.isUp, -ENODEV);
    Atomics.notify(words, WORD.isUp);
  } else if (waits) {
    // Any other value means that the device is no longer up.
    Atomics.wait(words, WORD.isUp, 1, CLOSING_MS);
  }
  libc.close(fd);
}

function openAnother(words: Int32Array): ReturnType<typeof openTun> {
  const index = wait(words, WORD.index, OPENING_MS);
  if (index < 0) return index;
  const name = interfaceName(index);
  return name === undefined ? -ENODEV : openTun(true, name);
}

function fail(words: Int32Array, errno: number): void {
  announce(words, WORD.index, errno);
  announce(words, WORD.isUp, errno);
}

/** Sets a word, unless it is known already, and wakes the threads that wait for it. */
function announce(words: Int32Array, word: number, value: number): void {
  Atomics.compareExchange(words, word, 0, value);
  Atomics.notify(words, word);
}

/** Waits until a word is no longer 0. @returns its value, or -ETIMEDOUT */
function wait(words: Int32Array, word: number, mostMs: number): number {
  Atomics.wait(words, word, 0, mostMs);
  return Atomics.load(words, word) || -ETIMEDOUT;
}
