import { describe, expect, it } from "vitest";
import { AcceptBatching } from "../../../src/transport/kernel-epoll/accept-batching.js";
import { until } from "../../support/until.js";

const batchingOf = (backlog: number, taken = 0) => {
  return new AcceptBatching(Int32Array.of(taken), backlog);
};
/**
 * Accepts until the thread pauses. It does so after two batches within a millisecond, which a busy machine does not
 * manage each time.
 */
const untilItGathers = (batching: AcceptBatching, count: number) =>
  until("it stands still", () => batching.gather(count, false) || batching.gather(count, false));

describe("connections that arrive fast", () => {
  it("are batched once the next ones are accepted soon after, and as long as batches are large", async () => {
    const batching = batchingOf(4096);
    expect(batching.gather(50, false)).toBe(false);
    await untilItGathers(batching, 50);
    await untilItGathers(batching, 50);
  });

  it("are batched when the counter of accepted connections wraps around", async () => {
    const batching = batchingOf(4096, 2 ** 31 - 60);
    await untilItGathers(batching, 50);
    await untilItGathers(batching, 50);
  });

  it("are accepted individually for a while after a small batch", async () => {
    const batching = batchingOf(4096);
    await untilItGathers(batching, 1);
    // After a batch of one, the next is not gathered, either because it is too soon or because of a pause.
    expect([batching.gather(1, false), batching.gather(50, false)]).toEqual([false, false]);
  });

  it("are not batched in a short accept queue, nor if none came or more are already waiting", () => {
    const [short, long, behind] = [batchingOf(511), batchingOf(4096), batchingOf(4096)];
    for (let n = 0; n < 100; n++) {
      expect([short.gather(50, false), long.gather(0, false), behind.gather(64, true)]).toEqual([false, false, false]);
    }
  });
});
