// Which signals are one request, and which one is a second.
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { onStopSignals } from "../../../src/cli/signals.js";

function listening() {
  vi.useFakeTimers({ toFake: ["performance"] });
  const told: string[] = [];
  const forget = onStopSignals(
    (signal) => told.push(`stop ${signal}`),
    (signal) => told.push(`again ${signal}`),
  );
  onTestFinished(() => {
    forget();
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
    vi.advanceTimersByTime(500);
    process.emit("SIGINT", "SIGINT");
    process.emit("SIGHUP", "SIGHUP");
    expect(told).toEqual(["stop SIGTERM", "again SIGINT", "again SIGHUP"]);
  });

  it("are not heard once they are forgotten", () => {
    const { told, forget } = listening();
    forget();
    process.emit("SIGINT", "SIGINT");
    expect(told).toEqual([]);
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });
});
