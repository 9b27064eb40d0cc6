// Tests the clients of the message workload against a server that stalls: none may omit the time it had to wait.
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { ROOT } from "../support/library.js";
import { hasProgram, start } from "../support/process.js";

const { pairOf } = await import(`${ROOT}bench/programs.mjs`);

const [CONNECTIONS, BYTES, RATE_PER_SEC] = [50, 64, 2000];
const WARM_UP_MS = 500;
// The server is stalled for most of the time. The rest allows for a stall that begins and ends late on a busy machine.
const MEASURED_MS = 4000;
const STALL_MS = 2400;

/** @returns the port, and a function that stops reading for a while */
async function startEcho(): Promise<{ port: number; stall: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("data", (bytes) => socket.write(bytes)).on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const stall = async () => {
    for (const socket of sockets) socket.pause();
    await delay(STALL_MS);
    for (const socket of sockets) socket.resume();
  };
  return { port: (server.address() as AddressInfo).port, stall };
}

describe("a stalled server shows in the latencies of", () => {
  // Bun's client counts like Node's, with echo-schedule.mjs.
  const contenders = { "c-epoll": "cc", go: "go", node: "node", fourtuple: "node" };
  for (const [contender, program] of Object.entries(contenders)) {
    it.skipIf(!hasProgram(program))(contender, async () => {
      const { port, stall } = await startEcho();
      const { client } = pairOf(contender, { server: "echo-server", client: "echo-client" });
      const [command, ...args] = [...client, port, CONNECTIONS, BYTES].map(String);
      const input = `${RATE_PER_SEC} ${WARM_UP_MS} ${MEASURED_MS}\n`;
      const run = start(command!, args, { input });
      await run.prints(/measuring/);
      await stall();
      const { code, stdout, stderr } = await run.exited();
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const { answered, p50Us, maxUs } = JSON.parse(stdout.trim().split("\n").at(-1)!);
      // If latency were counted from the send, or if delayed messages were omitted, most would look fast.
      expect(p50Us).toBeGreaterThan(100_000);
      expect(maxUs).toBeGreaterThan(0.8 * STALL_MS * 1000);
      expect(answered).toBeGreaterThan((0.9 * RATE_PER_SEC * MEASURED_MS) / 1000);
    });
  }
});
