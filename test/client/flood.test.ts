// Tests a server that sends faster than the client can read: it must not keep a run from ending.
import { expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { startClient, stopwatch } from "../support/peers.js";
import { startCli, startProgram } from "../support/process.js";
import { until, within } from "../support/until.js";

async function startFloodingServer(accepts: number): Promise<string> {
  const ip = ownAddress();
  const flood = startProgram("flood", { role: "server", ip, accepts });
  return `${ip}:${(await flood.prints(/listening (\d+)/))[1]}`;
}

it("does not keep a run from ending on time", async () => {
  const to = await startFloodingServer(2);
  const elapsed = stopwatch();
  // Use two connections and flood one of them: a single connection would report what it reads.
  const run = await startClient({ to, connections: 2, durationMs: 1000 });
  const result = await within("the end", run.done);
  // The run's and the server's threads share the host with other tests.
  expect(elapsed()).toBeLessThan(1000 + 8000 + result.setupMs);
  expect(result.traffic.receivedBytes).toBeGreaterThan(100e6);
});

it("does not keep a single connection, which reports what it reads, from being stopped", async () => {
  const run = await startClient({ to: await startFloodingServer(1) });
  let told = 0;
  run.on("received", (text) => {
    told += text.length;
  });
  await until("a flood", () => told > 1e6);
  const elapsed = stopwatch();
  const result = await within("the end", run.stop());
  expect(elapsed()).toBeLessThan(2000);
  // The client reads ahead at most 64 texts of 512 bytes.
  expect(result.traffic.receivedBytes - told).toBeLessThan(64 * 512 + 1);
});

it("does not keep Ctrl-C from ending the command", async () => {
  const cli = startCli(["connect", await startFloodingServer(2), "-c", "2", "-T", "60s"]);
  await until("the hold", () => /holding/.test(cli.stderr));
  const elapsed = stopwatch();
  cli.child.kill("SIGINT");
  const { stdout } = await cli.exited();
  // Includes the exit of the process.
  expect(elapsed()).toBeLessThan(4000);
  expect(stdout).toMatch(/interrupted/);
});
