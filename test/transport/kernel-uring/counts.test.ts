// Tests that runs over io_uring count exactly what the kernel's socket table shows: under churn, when peers reset or
// never accept connections, and after a timeout in each step of a connection.
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { ConnectOptions } from "../../../src/index.js";
import { localAddress } from "../../../src/linux/syscalls/socket.js";
import { ownAddress } from "../../support/address.js";
import { clientEndsInSs, untilClientEnds, untilNoClientEnds } from "../../support/kernel.js";
import { startClient, startForeignServer } from "../../support/peers.js";
import { listenRaw } from "../../support/raw-sockets.js";
import { hasUring } from "../../support/ring.js";
import { until, within } from "../../support/until.js";

const HOLD = { durationMs: Number.POSITIVE_INFINITY };

const start = (options: ConnectOptions) => startClient({ engine: "uring", ...options });

describe.skipIf(!hasUring)("the kernel's table agrees with a client in rings", () => {
  it("while 2,000 connections are opened, greeted and reset, some of them by their peers", async () => {
    const [greeted, reset] = [new Set<string>(), new Set<string>()];
    let count = 0;
    const { ip, port, at } = await startForeignServer((socket: Socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      if (count++ % 10 === 0) {
        reset.add(peer);
        socket.resetAndDestroy();
      } else {
        greeted.add(peer);
        socket.write("hello");
      }
    });
    const held = await start({ to: at, connections: 100, ...HOLD });
    await until("100 at the peer", () => count === 100);
    await until("10 lost", () => held.snapshot().lost === 10);
    const churn = await start({
      to: at,
      connections: 2000,
      connectRatePerSec: 1500,
      closeAfterGreeting: true,
      close: "rst",
      durationMs: 5000,
    });
    const result = await within("the end of the churn", churn.done);
    const resets = (ends: number) => [{ phase: "hold", errno: "ECONNRESET", count: ends }];
    // The peers reset instead of greeting.
    expect(result).toMatchObject({ established: 2000, failed: 0, greeted: 1800, lost: 200, losses: resets(200) });
    expect([greeted.size, reset.size]).toEqual([1890, 210]);
    // The other run holds all remaining sockets.
    await untilClientEnds(ip, port, 90);
    expect(held.snapshot()).toMatchObject({ open: 90, established: 100 });
    expect(await clientEndsInSs(ip, port, "time-wait")).toEqual(new Set());
    const { kernel, losses } = await held.stop();
    expect([kernel?.outgoing, losses]).toEqual([90, resets(10)]);
    await untilNoClientEnds(ip, port);
  });

  it("whose peer never accepts them, after it has given up on their greetings", async () => {
    const ip = ownAddress();
    const { port } = localAddress(listenRaw(ip, 0));
    const run = await start({ to: `${ip}:${port}`, connections: 50, closeAfterGreeting: true, ...HOLD });
    await until(
      "the hold",
      () => run.snapshot(),
      ({ stage, open }) => stage === "hold" && open === 50,
    );
    await untilClientEnds(ip, port, 50);
    expect(await run.stop()).toMatchObject({ established: 50, greeted: 0, openAtStop: 50, lost: 0 });
    await untilNoClientEnds(ip, port);
  });

  it("when its accept queue is full, even while slots are reused after timeouts", async () => {
    const ip = ownAddress();
    const { port } = localAddress(listenRaw(ip, 0, { backlog: 8 }));
    const pace = { concurrency: 10, connectTimeoutMs: 200 };
    const run = await start({ to: `${ip}:${port}`, connections: 40, ...pace, durationMs: 0 });
    // The run ends early if too many fail.
    const { established, failed, failures, kernel } = await within("the end", run.done);
    expect([established > 0, failed > 0]).toEqual([true, true]);
    expect(kernel?.outgoing).toBe(established);
    expect(failures).toEqual([{ phase: "connect", errno: "ETIMEDOUT", count: failed }]);
    await untilNoClientEnds(ip, port);
  });

  it.each([
    ["tls", "tls"],
    ["ws", "upgrade"],
    ["mqtt", "connack"],
  ])("after the timeout of a handshake: %s", async (scheme, phase) => {
    const { ip, port, at, sockets } = await startForeignServer();
    const options = scheme === "tls" ? { insecure: true } : {};
    const timeout = { handshakeTimeoutMs: 300, durationMs: 0 };
    const run = await start({ to: `${scheme}://${at}`, connections: 5, ...options, ...timeout });
    const failures = [{ phase, errno: "ETIMEDOUT", count: 5 }];
    expect(await within("the end", run.done)).toMatchObject({ established: 5, failures });
    await untilNoClientEnds(ip, port);
    await until("nothing at the peer", () => sockets.size === 0);
  });
});
