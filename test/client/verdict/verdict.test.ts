// Tests the verdict on a run: what is missing, and the effect of a stop.
import { describe, expect, it } from "vitest";
import { endpoint, ownPorts } from "../../support/address.js";
import { parseAddressRanges } from "../../support/library.js";
import { startClient, startForeignServer, startServer } from "../../support/peers.js";
import { until, within } from "../../support/until.js";

describe("a run that is stopped", () => {
  const untilHeld = (run: Awaited<ReturnType<typeof startClient>>) =>
    until(
      "the hold",
      () => run.snapshot().stage,
      (stage) => stage === "hold",
    );

  it("during a hold with a time limit is interrupted, even if nothing is missing", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 20, durationMs: 60_000 });
    await untilHeld(run);
    expect(await within("the end", run.stop())).toMatchObject({
      outcome: "interrupted",
      isTargetMet: false,
      misses: [],
      openAtStop: 20,
      evidence: { interrupted: false },
    });
  });

  it("during a hold without a time limit has ended normally", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 20, durationMs: Infinity });
    await untilHeld(run);
    expect(await within("the end", run.stop())).toMatchObject({ outcome: "met", isTargetMet: true, misses: [] });
  });

  it("during its ramp is interrupted, whatever its hold", async () => {
    const server = await startServer();
    const run = await startClient({
      to: endpoint(server.address),
      connections: 1000,
      connectRatePerSec: 10,
      durationMs: Infinity,
    });
    await until(
      "the first connections",
      () => run.snapshot().established,
      (count) => count > 0,
    );
    const { outcome, misses, established } = await within("the end", run.stop());
    expect(outcome).toBe("interrupted");
    expect(misses).toEqual([{ kind: "established", count: 1000 - established, of: 1000 }]);
  });

  it("while closing has still ended normally", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 20, durationMs: 0 });
    await until(
      "the closing",
      () => run.snapshot().stage,
      (stage) => stage === "close" || stage === "closed",
    );
    expect(await within("the end", run.stop())).toMatchObject({ outcome: "met" });
  });
});

describe("a target", () => {
  it("is met by exactly the requested number, and missed by one less", async () => {
    const server = await startServer();
    const met = await startClient({ to: endpoint(server.address), connections: 7, durationMs: 0 });
    expect(await within("the end", met.done)).toMatchObject({ outcome: "met", established: 7, misses: [] });
    // One port fewer than connections.
    const { first } = ownPorts(6);
    const short = await startClient({
      to: endpoint(server.address),
      connections: 7,
      sources: parseAddressRanges("127.0.0.1"),
      sourcePorts: { first, last: first + 5 },
      durationMs: 0,
    });
    expect(await within("the end", short.done)).toMatchObject({
      outcome: "missed",
      established: 6,
      misses: [{ kind: "established", count: 1, of: 7 }],
    });
  });

  it("names what was lost", async () => {
    const server = await startForeignServer((socket) => void setTimeout(() => socket.destroy(), 50));
    const run = await startClient({ to: server.at, connections: 5, durationMs: 2000 });
    const { misses } = await within("the end", run.done);
    expect(misses).toEqual([{ kind: "lost", count: 5, of: 5 }]);
  });
});

describe("run.ready", () => {
  it("resolves when the ramp ends, while everything is held", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 50, durationMs: Infinity });
    await within("the hold", run.ready);
    expect(run.snapshot()).toMatchObject({ stage: "hold", open: 50, inFlight: 0 });
    await run.stop();
  });

  it("resolves when the run is stopped during its ramp", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 1000, connectRatePerSec: 10 });
    await run.stop();
    await within("the ramp's end", run.ready);
  });
});
