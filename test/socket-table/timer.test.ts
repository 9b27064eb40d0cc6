// Tests the timer of a socket: sock_diag and /proc give the same value.
import { expect, it } from "vitest";
import { forEachSocket, type SocketQuery } from "../../src/socket-table/table.js";
import { TIMER } from "../../src/socket-table/view.js";
import { parseIp } from "../../src/util/address.js";
import { startClient, startServer } from "../support/peers.js";
import { until } from "../support/until.js";

const SOURCES = ["sock_diag", "/proc/net/tcp"] as const;

async function timersOf({ ip, port }: { ip: string; port: number }, source: SocketQuery["source"]) {
  const found: { state: string; timer: number; timerMs: number }[] = [];
  // Match the address as well: another program may have a socket in TIME_WAIT on the port that the kernel chose.
  const remote = { ports: [{ first: port, last: port }], addresses: [{ first: parseIp(ip), count: 1 }] };
  await forEachSocket({ source, remote }, (socket) => {
    const { stateName: state, timer, timerMs } = socket;
    found.push({ state, timer, timerMs });
  });
  return found;
}

it("is absent on an idle connection, and counts down from 60 s in TIME_WAIT", async () => {
  const server = await startServer();
  const { ip, port } = server.address;
  const run = await startClient({ to: `${ip}:${port}`, connections: 3, close: "fin", durationMs: 60_000 });
  await until(
    "three greeted",
    () => run.snapshot(),
    ({ stage }) => stage === "hold",
  );
  for (const source of SOURCES) {
    expect(await timersOf(server.address, source)).toEqual(
      Array.from({ length: 3 }, () => ({ state: "ESTABLISHED", timer: TIMER.none, timerMs: 0 })),
    );
  }
  await run.stop();
  for (const source of SOURCES) {
    const waiting = await until(
      "three in TIME_WAIT",
      () => timersOf(server.address, source),
      (found) => found.length === 3 && found.every(({ state }) => state === "TIME_WAIT"),
    );
    for (const { timer, timerMs } of waiting) {
      expect(timer).toBe(TIMER.timeWait);
      expect(timerMs).toBeGreaterThan(30_000);
      expect(timerMs).toBeLessThanOrEqual(60_000);
    }
  }
});
