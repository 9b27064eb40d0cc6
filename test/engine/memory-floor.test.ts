// Tests that a run in a container whose memory is almost used up by other programs stops at the memory floor, before it
// reaches the limit.

import { describe, expect, it } from "vitest";
import { floorOf, isBelowFloor } from "../../src/engine/memory-floor.js";
import type { ConnectResult, Diagnosis } from "../../src/index.js";
import type { MemoryRoom } from "../../src/results/evidence.js";
import { endpoint } from "../support/address.js";
import { canMakeMemoryGroups, makeMemoryGroup } from "../support/cgroup.js";
import { startServer } from "../support/peers.js";
import { CLI_FILE, resultOf, start } from "../support/process.js";

const MIB = 1024 ** 2;

describe("the memory floor", () => {
  it.each([
    // A quarter of the total, 256 MiB, and 5% of the total.
    [512, 128],
    [1024, 256],
    [4096, 256],
    [20_480, 1024],
  ])("of %d MiB is %d MiB", (total, floor) => {
    expect(floorOf(total * MIB)).toBe(floor * MIB);
  });

  it("is reached just below it, and not at it", () => {
    const room = (availableBytes: number): MemoryRoom => ({ bound: "host", availableBytes, floorBytes: 100 });
    expect([101, 100, 99, -1].map((bytes) => isBelowFloor(room(bytes)))).toEqual([false, false, true, true]);
  });
});

describe.skipIf(!canMakeMemoryGroups())("a run in a memory cgroup of 400 MiB", () => {
  const CONNECTIONS = 10_000;

  async function connectBeside(ballastMib: number) {
    const server = await startServer();
    const group = makeMemoryGroup(400 * MIB);
    const enter = (...line: string[]) =>
      start("bash", ["-c", `echo $$ >${group}/cgroup.procs && exec "$0" "$@"`, ...line]);
    const ballast = enter(
      "python3",
      "-c",
      `b = bytearray(b'x') * (${ballastMib} << 20)\nprint('there', flush=True)\nimport time\ntime.sleep(60)`,
    );
    await ballast.prints(/there/);
    const client = enter(
      ...[process.execPath, CLI_FILE, "connect", endpoint(server.address), "-c", String(CONNECTIONS)],
      ...["--connect-rate", "10k", "-T", "0s", "--json"],
    );
    const { stdout, code } = await client.exited();
    return { code, result: resultOf(stdout) as ConnectResult & { diagnosis: Diagnosis } };
  }

  it("stops at the floor if others use most of it, and misses its target", async () => {
    const { code, result } = await connectBeside(250);
    expect(code).toBe(1);
    expect(result).toMatchObject({ outcome: "missed", failed: 0, diagnosis: { finding: { limit: "cgroup-memory" } } });
    expect(result.evidence.memoryStop).toMatchObject({ bound: "cgroup", floorBytes: 100 * MIB });
    expect(result.misses).toEqual([{ kind: "established", count: CONNECTIONS - result.established, of: CONNECTIONS }]);
    expect(result.established).toBeLessThan(CONNECTIONS);
  });

  it("meets its target if there is room", async () => {
    const { code, result } = await connectBeside(1);
    expect([code, result.outcome, result.evidence.memoryStop]).toEqual([0, "met", undefined]);
  });
});
