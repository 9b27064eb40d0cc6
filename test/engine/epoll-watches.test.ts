// Tests that runs whose user has few epoll watches left stop adding connections, leave a reserve for other programs'
// event loops, and name the limit.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { maxWatchesFor, watchReserve } from "../../src/engine/epoll-watches.js";
import type { ConnectResult, Diagnosis, ServeResult, ServeSnapshot } from "../../src/index.js";
import { endpoint, ownAddress } from "../support/address.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { startClient, startServer } from "../support/peers.js";
import { CLI_FILE, resultOf, start } from "../support/process.js";
import { until } from "../support/until.js";

/** Returns the last complete snapshot that a server has printed. */
function lastOf(stdout: string): Partial<ServeSnapshot> {
  const lines = stdout.slice(0, stdout.lastIndexOf("\n")).split("\n");
  return JSON.parse(lines.findLast((line) => line.includes('"event":"snapshot"')) ?? "{}");
}

describe("the reserve of epoll watches", () => {
  it.each([
    // A quarter of the maximum, 1,024, and 1%.
    [2000, 500],
    [40_000, 1024],
    [5_000_000, 50_000],
  ])("of %d is %d", (max, reserve) => {
    expect(watchReserve(max)).toBe(reserve);
  });

  it.each([100, 5000, 100_000, 5_000_000])("stays free under the maximum that %d watches need, and no more", (n) => {
    const max = maxWatchesFor(n);
    expect(max - watchReserve(max)).toBeGreaterThanOrEqual(n);
    expect(max - 2 - watchReserve(max - 2)).toBeLessThan(n);
  });
});

describe.skipIf(!canMakeNamespaces())("for a user with 2,000 epoll watches", () => {
  /** Starts the command line with another value mounted over fs.epoll.max_user_watches. */
  const startLimited = (args: readonly string[]) => {
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "max_user_watches");
    writeFileSync(file, "2000\n");
    const line = `mount --bind ${file} /proc/sys/fs/epoll/max_user_watches && exec "$0" "$@"`;
    return start("unshare", ["-m", "sh", "-c", line, process.execPath, CLI_FILE, ...args]);
  };

  it("connect opens 1,500 connections, and names the limit and its sysctl", async () => {
    const { address } = await startServer();
    const load = ["-c", "1800", "--engine", "epoll", "-T", "0s", "--json"];
    const { stdout, code } = await startLimited(["connect", endpoint(address), ...load]).exited();
    const result: ConnectResult & { diagnosis: Diagnosis } = resultOf(stdout);
    expect(code).toBe(1);
    expect(result.established).toBe(1500);
    expect(result.failures).toEqual([expect.objectContaining({ phase: "register", errno: "ENOSPC", count: 300 })]);
    expect(result.diagnosis.finding).toMatchObject({
      limit: "epoll-watches",
      fix: expect.stringContaining("fs.epoll.max_user_watches"),
    });
  });

  it("serve accepts 1,500 connections, leaves others in the queue until some end, and names the limit", async () => {
    const args = ["serve", `${ownAddress()}:0`, "--engine", "epoll", "--log", "none", "--json"];
    const server = startLimited([...args, "--backlog", "1000"]);
    const [, ip, port] = await server.prints(/"ip":"([\d.]+)".*?"port":(\d+)/);
    const to = `${ip}:${port}`;
    const first = await startClient({ to, connections: 1000, durationMs: Number.POSITIVE_INFINITY });
    await until(
      "1,000 are open",
      () => first.snapshot().ready,
      (ready) => ready === 1000,
    );
    const second = await startClient({ to, connections: 700, durationMs: Number.POSITIVE_INFINITY });
    await until(
      "1,700 are ESTABLISHED",
      () => second.snapshot().established,
      (count) => count === 700,
    );
    const paused = await until(
      "the server has paused",
      () => lastOf(server.stdout),
      ({ open = 0, isPaused }) => open >= 1500 && isPaused === true,
    );
    // Several workers may accept their last connections at the same time.
    expect(paused.open).toBeLessThan(1600);
    await first.stop();
    const resumed = await until(
      "the others are accepted",
      () => lastOf(server.stdout),
      ({ open }) => open === 700,
    );
    expect(resumed).toMatchObject({ accepted: 1700, isPaused: false });
    await second.stop();
    server.child.kill("SIGINT");
    const { stdout, code } = await server.exited();
    const result: ServeResult & { diagnosis: Diagnosis } = resultOf(stdout);
    expect(code).toBe(0);
    expect(result.evidence.watchStop).toMatchObject({ watched: result.peakOpen, max: 2000, reserve: 500 });
    expect(result.diagnosis.finding).toMatchObject({
      limit: "epoll-watches",
      fix: expect.stringContaining("fs.epoll.max_user_watches"),
    });
  });
});
