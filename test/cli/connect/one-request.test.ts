// Tests which signals count as one request and which as a second.
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { onStopSignals } from "../../../src/cli/signals.js";

/** Lets half a second pass and delivers the signals that arrived in it. */
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

describe("stop signals", () => {
  it("of any kind count as one request within half a second", () => {
    const { told } = listening();
    process.emit("SIGINT", "SIGINT");
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.emit(signal, signal);
    vi.advanceTimersByTime(499);
    process.emit("SIGINT", "SIGINT");
    expect(told).toEqual(["stop SIGINT"]);
  });

  it("count as a second request after half a second", () => {
    const { told } = listening();
    process.emit("SIGTERM", "SIGTERM");
    pass();
    process.emit("SIGINT", "SIGINT");
    process.emit("SIGHUP", "SIGHUP");
    expect(told).toEqual(["stop SIGTERM", "again SIGINT", "again SIGHUP"]);
  });

  it("that arrive while this process is suspended belong to the first request", () => {
    const { told } = listening();
    process.emit("SIGINT", "SIGINT");
    // The late timer runs before the queued signals; setImmediate() callbacks run after them.
    vi.advanceTimersByTime(500);
    process.emit("SIGINT", "SIGINT");
    vi.advanceTimersToNextTimer();
    process.emit("SIGTERM", "SIGTERM");
    expect(told).toEqual(["stop SIGINT", "again SIGTERM"]);
  });

  it("of the first request do not kill a program that is already exiting", () => {
    const { told, forget } = listening();
    process.emit("SIGINT", "SIGINT");
    forget();
    process.emit("SIGINT", "SIGINT");
    expect(process.listenerCount("SIGINT")).toBeGreaterThan(0);
    pass();
    expect([told, process.listenerCount("SIGINT")]).toEqual([["stop SIGINT"], 0]);
  });

  it("are ignored once the listeners are removed", () => {
    const { told, forget } = listening();
    forget();
    process.emit("SIGINT", "SIGINT");
    expect(told).toEqual([]);
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });
});
