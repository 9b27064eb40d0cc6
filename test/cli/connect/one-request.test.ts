// Tests which signals count as one request and which as a second.
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { onStopSignals } from "../../../src/cli/signals.js";

/** Lets the half second pass and delivers the signals that came by then. */
function pass(): void {
  vi.advanceTimersByTime(500);
  vi.advanceTimersToNextTimer();
}

function listening() {
  vi.useFakeTimers({ toFake: ["setTimeout", "setImmediate"] });
  const told: string[] = [];
  const forget = onStopSignals(
    (signal) => told.push(`stop ${signal}`),
    (signal) => told.push(`again ${signal}`),
  );
  onTestFinished(() => {
    forget();
    vi.runAllTimers();
    vi.useRealTimers();
  });
  return { told, forget };
}

describe("signals that ask for an end", () => {
  it("are one request within half a second, of whatever kind", () => {
    const { told } = listening();
    process.emit("SIGINT", "SIGINT");
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.emit(signal, signal);
    vi.advanceTimersByTime(499);
    process.emit("SIGINT", "SIGINT");
    expect(told).toEqual(["stop SIGINT"]);
  });

  it("are a second one from half a second on, each time", () => {
    const { told } = listening();
    process.emit("SIGTERM", "SIGTERM");
    pass();
    process.emit("SIGINT", "SIGINT");
    process.emit("SIGHUP", "SIGHUP");
    expect(told).toEqual(["stop SIGTERM", "again SIGINT", "again SIGHUP"]);
  });

  it("are part of the first one while this process stood still, however long that was", () => {
    const { told } = listening();
    process.emit("SIGINT", "SIGINT");
    // The late timer runs before the queued signals; setImmediate() callbacks run after them.
    vi.advanceTimersByTime(500);
    process.emit("SIGINT", "SIGINT");
    vi.advanceTimersToNextTimer();
    process.emit("SIGTERM", "SIGTERM");
    expect(told).toEqual(["stop SIGINT", "again SIGTERM"]);
  });

  it("do not end a program that is at its end already, when they are part of the first one", () => {
    const { told, forget } = listening();
    process.emit("SIGINT", "SIGINT");
    forget();
    process.emit("SIGINT", "SIGINT");
    expect(process.listenerCount("SIGINT")).toBeGreaterThan(0);
    pass();
    expect([told, process.listenerCount("SIGINT")]).toEqual([["stop SIGINT"], 0]);
  });

  it("are not heard once they are forgotten", () => {
    const { told, forget } = listening();
    forget();
    process.emit("SIGINT", "SIGINT");
    expect(told).toEqual([]);
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });
});
