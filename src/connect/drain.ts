// The end of a run's messages: no more of them are sent, and the answers that are still on their way are waited for. So what
// stays unanswered was lost, and not merely cut off.
import { setTimeout as delay } from "node:timers/promises";
import { CONTROL, type ShardMemory, sumCounter } from "../engine/shard-memory.js";
import { COUNTER } from "./protocol.js";

const POLL_MS = 5;
/** Counts as silence between two looks at most: where the whole machine stood still for longer, the peer did, too. */
const LOOK_MS = 10 * POLL_MS;
/** A peer that has answered nothing for so long answers no more: it discards, or hangs. */
const QUIET_MS = 1000;
/** An answer now and then is not waited for without end. */
const PATIENCE_MS = 10_000;

interface Shards {
  readonly memories: readonly ShardMemory[];
  setAll(word: number, value: number): void;
}

/** Returns when every message over a connection that is still open has its answer, or none has come for a second. */
export async function drainMessages(shards: Shards): Promise<void> {
  shards.setAll(CONTROL.paused, 1);
  const { memories } = shards;
  const sum = (counter: number) => sumCounter(memories, counter);
  const startMs = performance.now();
  let answered = sum(COUNTER.answeredMessages);
  let [lookedMs, silentMs] = [startMs, 0];
  for (;;) {
    // One that has not seen the word yet may still send.
    const isQuiet = memories.every(({ counters }) => counters[COUNTER.isPaused] === 1);
    const now = performance.now();
    const answeredNow = sum(COUNTER.answeredMessages);
    if (isQuiet && sum(COUNTER.sentMessages) === answeredNow + sum(COUNTER.abandonedMessages)) return;
    silentMs = answeredNow > answered ? 0 : silentMs + Math.min(now - lookedMs, LOOK_MS);
    [answered, lookedMs] = [answeredNow, now];
    if (silentMs > QUIET_MS || now - startMs > PATIENCE_MS) return;
    await delay(POLL_MS);
  }
}
