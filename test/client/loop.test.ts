// Tests that a run does not busy-wait, and that it closes with RST where it should.
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Epoll } from "../../src/linux/syscalls/epoll.js";
import { canRegisterFiles } from "../../src/linux/uring/registered-files.js";
import { ownAddress } from "../support/address.js";
import { cpuSeconds } from "../support/kernel.js";
import { startForeignServer, startServer, stopwatch } from "../support/peers.js";
import { startProgram } from "../support/process.js";
import { until } from "../support/until.js";

/** Returns a process's CPU time so far and its number of voluntary context switches. */
function spentBy(pid: number): { cpu: number; waits: number } {
  const statuses = readdirSync(`/proc/${pid}/task`).map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"),
  );
  const waits = statuses.map((status) => Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)![1]));
  return { cpu: cpuSeconds(pid), waits: waits.reduce((sum, count) => sum + count, 0) };
}

it.each([30, 30.5, 0.75])("epoll waits for %d ms, and no less", (timeoutMs) => {
  const epoll = new Epoll(1);
  const elapsed = stopwatch();
  let waits = 0;
  for (; elapsed() < timeoutMs * 0.95; waits++) expect(epoll.wait(timeoutMs)).toBe(0);
  // A signal may end a wait early.
  expect(waits).toBeLessThan(5);
  epoll.close();
});

it("waits for the next message without spinning", async () => {
  const server = await startServer({ mode: "echo" });
  const to = `${server.address.ip}:${server.address.port}`;
  const options = { to, connections: 2, message: "x", messageRatePerSec: 1, durationMs: 60_000 };
  const client = startProgram("library-client", options);
  await client.prints(/begun/);
  await until("a message", () => server.snapshot().receivedBytes > 0);
  const before = { ...spentBy(client.pid), bytes: server.snapshot().receivedBytes };
  const elapsed = stopwatch();
  await until("four more", () => server.snapshot().receivedBytes >= before.bytes + 4);
  const { cpu, waits } = spentBy(client.pid);
  const seconds = elapsed() / 1000;
  // A busy loop uses a full core, or its share of a busy one. A loop that wakes too early waits thousands of times.
  expect((cpu - before.cpu) / seconds).toBeLessThan(0.15);
  expect((waits - before.waits) / seconds).toBeLessThan(1000);
});

it.skipIf(!canRegisterFiles())("resets parked connections like the others", async () => {
  const ends = { reset: 0, closed: 0 };
  const server = await startForeignServer((socket) => {
    socket.on("end", () => ends.closed++);
    socket.on("error", (error: NodeJS.ErrnoException) => error.code === "ECONNRESET" && ends.reset++);
  }, ownAddress());
  const options = { to: server.at, connections: 300, close: "rst", durationMs: 60_000 };
  const client = startProgram("library-client", options, { nofile: 80 });
  await until("300 at the server", () => server.sockets.size === 300);
  client.child.kill("SIGTERM");
  await client.exited();
  await until("300 ends", () => ends.reset + ends.closed === 300);
  expect(ends).toEqual({ reset: 300, closed: 0 });
});
