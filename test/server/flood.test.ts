// Tests peers that send faster than the server can read: they must not monopolize a thread or delay the server's end.
import { once } from "node:events";
import { connect as connectNet } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { canRegisterFiles } from "../../src/linux/uring/registered-files.js";
import type { ServerMode } from "../../src/protocols/modes.js";
import { connectForeign, type ForeignClient, startServer, startServerProcess, stopwatch } from "../support/peers.js";
import { startProgram } from "../support/process.js";
import { until, within } from "../support/until.js";

type Address = { readonly ip: string; readonly port: number };

async function startFloods(to: Address, count: number, reads: boolean): Promise<void> {
  const floods = Array.from({ length: count }, () => startProgram("flood", { role: "client", ...to, reads }));
  for (const flood of floods) await flood.prints(/connected/);
}

/**
 * Returns the sorted times in milliseconds from connecting to the first byte received, an echo or a greeting, of new
 * connections that send one byte.
 */
async function timeNewcomers(to: Address, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const elapsed = stopwatch();
    const socket = connectNet({ host: to.ip, port: to.port });
    onTestFinished(() => {
      socket.destroy();
    });
    const answered = new Promise<void>((resolve, reject) => {
      socket.once("data", () => resolve());
      socket.once("error", reject);
    });
    socket.write("x");
    await within(`an answer to newcomer ${n}`, answered);
    times.push(elapsed());
    socket.destroy();
  }
  return times.sort((a, b) => a - b);
}

/** Returns the sorted round-trip times in milliseconds of one byte over each of `clients` in turn. */
async function timeEchoes(clients: readonly ForeignClient[], rounds: number): Promise<number[]> {
  const times: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const client of clients) {
      const elapsed = stopwatch();
      const answered = once(client.socket, "data");
      client.socket.write("x");
      await within(`echo ${round}`, answered);
      times.push(elapsed());
    }
  }
  return times.sort((a, b) => a - b);
}

const p95 = (times: readonly number[]) => times[Math.floor(times.length * 0.95)]!;

describe.each<ServerMode>(["hello", "echo"])("a server (%s) flooded by four clients", (mode) => {
  it("answers the others soon, and ends at once", async () => {
    const server = await startServer({ mode });
    const held = await Promise.all(Array.from({ length: 8 }, () => connectForeign(server.address)));
    const time = () => (mode === "echo" ? timeEchoes(held, 12) : timeNewcomers(server.address, 80));
    const alone = await time();
    await startFloods(server.address, 4, mode === "echo");
    await until(
      "a flood",
      () => server.snapshot().receivedBytes,
      (bytes) => bytes > 200e6,
    );
    const beside = await time();
    // The flooding clients and the server now share a core, so on a busy host, waiting a few time slices is normal.
    expect(p95(beside)).toBeLessThan(Math.max(5 * p95(alone), 60));
    const elapsed = stopwatch();
    await within("the end", server.stop());
    expect(elapsed()).toBeLessThan(1500);
  });
});

it.skipIf(!canRegisterFiles())("a flood on parked connections delays nobody either", async () => {
  // Only epoll parks connections.
  const { ip, port, process: server } = await startServerProcess({ engine: "epoll" }, { nofile: 80 });
  const received = async () => {
    server.stdout = "";
    server.child.kill("SIGUSR2");
    return Number((await server.prints(/"receivedBytes":(\d+)/))[1]);
  };
  await startFloods({ ip, port }, 4, false);
  // More than fit into the descriptor table: the older connections are parked.
  const held = await Promise.all(Array.from({ length: 200 }, () => connectForeign({ ip, port })));
  for (const client of held) await client.receives(5);
  const before = await received();
  await until("the flood to go on", received, (bytes) => bytes > before + 50e6);
  expect(p95(await timeNewcomers({ ip, port }, 40))).toBeLessThan(250);
  const elapsed = stopwatch();
  server.child.kill("SIGTERM");
  await server.exited();
  expect(elapsed()).toBeLessThan(2500);
});
