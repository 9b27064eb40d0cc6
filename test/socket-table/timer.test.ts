// Tests the timer of a socket: sock_diag and /proc give the same value.
import { expect, it } from "vitest";
import { localAddress } from "../../src/linux/syscalls/socket.js";
import { forEachSocket, type SocketQuery } from "../../src/socket-table/table.js";
import { TIMER } from "../../src/socket-table/view.js";
import { parseIp } from "../../src/util/address.js";
import { ownAddress } from "../support/address.js";
import { acceptAll, close, connectRaw, listenRaw } from "../support/raw-sockets.js";
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
  const ip = ownAddress();
  const listener = listenRaw(ip, 0);
  const address = localAddress(listener);
  const clients = Array.from({ length: 3 }, () => connectRaw(ip, address.port));
  const servers: number[] = [];
  await until("three connections", () => servers.push(...acceptAll(listener)) === 3);
  for (const source of SOURCES) {
    expect(await timersOf(address, source)).toEqual(
      Array.from({ length: 3 }, () => ({ state: "ESTABLISHED", timer: TIMER.none, timerMs: 0 })),
    );
  }
  // The same thread closes both ends: if another did, an ACK could overtake the other end's FIN, and the RST that
  // answers it would end the TIME_WAIT (RFC 1337).
  for (const fd of [...clients, ...servers]) close(fd);
  for (const source of SOURCES) {
    const waiting = await until(
      "three in TIME_WAIT",
      () => timersOf(address, source),
      (found) => found.length === 3 && found.every(({ state }) => state === "TIME_WAIT"),
    );
    for (const { timer, timerMs } of waiting) {
      expect(timer).toBe(TIMER.timeWait);
      expect(timerMs).toBeGreaterThan(30_000);
      expect(timerMs).toBeLessThanOrEqual(60_000);
    }
  }
});
