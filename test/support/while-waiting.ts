// Acts on descriptors of this process, as another process would, while the test's thread waits in a system call. If the
// event came before the wait, the test would not show whether it wakes the thread.
import { Worker } from "node:worker_threads";
import { onTestFinished } from "vitest";

const ACTIONS = ["write", "close"] as const;
type Action = (typeof ACTIONS)[number];

// The words: number of orders, system call to wait for, action, descriptor.
const ACTOR = `
  const { workerData } = require("node:worker_threads");
  const { closeSync, readFileSync, writeSync } = require("node:fs");
  const { words, pid } = workerData;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let done = 0; ; ) {
    Atomics.wait(words, 0, done);
    done = Atomics.load(words, 0);
    while (!readFileSync("/proc/self/task/" + pid + "/syscall", "utf8").startsWith(words[1] + " ")) {
      Atomics.wait(pause, 0, 0, 1);
    }
    if (words[2] === 0) writeSync(words[3], "hello");
    else closeSync(words[3]);
  }`;

/**
 * Starts a thread that writes "hello" to a descriptor, or closes it, once this thread waits in system call `number`.
 * Request the next action only after the effect of the previous one has been seen.
 */
export async function startActor(number: number): Promise<(action: Action, fd: number) => void> {
  const words = new Int32Array(new SharedArrayBuffer(16));
  const worker = new Worker(ACTOR, { eval: true, workerData: { words, pid: process.pid } });
  onTestFinished(async () => {
    await worker.terminate();
  });
  await new Promise((resolve, reject) => worker.once("online", resolve).once("error", reject));
  return (action, fd) => {
    words.set([number, ACTIONS.indexOf(action), fd], 1);
    Atomics.add(words, 0, 1);
    Atomics.notify(words, 0);
  };
}
