// Tests the barrier at which the main thread blocks while a thread copies the descriptor table.
import { afterEach, describe, expect, it, vi } from "vitest";
import { BARRIER, THREAD, ThreadWords } from "../../src/engine/threads/thread-words.js";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the barrier", () => {
  it("opens for a thread that waits there, and blocks until it has passed", () => {
    const shared = new ThreadWords();
    Atomics.store(shared.words, THREAD.barrier, BARRIER.requested);
    const waited = vi.spyOn(Atomics, "wait").mockImplementation(() => {
      expect(shared.words[THREAD.barrier]).toBe(BARRIER.open);
      shared.words[THREAD.barrier] = BARRIER.passed;
      return "ok";
    });
    shared.letPass();
    expect(waited).toHaveBeenCalledTimes(1);
  });

  it("does not block a main thread that comes late: the thread has continued without it", () => {
    const shared = new ThreadWords();
    Atomics.store(shared.words, THREAD.barrier, BARRIER.passed);
    const waited = vi.spyOn(Atomics, "wait").mockReturnValue("timed-out");
    shared.letPass();
    expect(waited).not.toHaveBeenCalled();
    expect(shared.words[THREAD.barrier]).toBe(BARRIER.passed);
  });
});
