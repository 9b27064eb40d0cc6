// Tests peers that violate the protocol, on both sides over real sockets: each costs a bounded time and ends in a
// counted failure.
import { describe, expect, it } from "vitest";
import { endpoint, ownAddress } from "../../support/address.js";
import { connectForeign, startClient, startForeignServer, startServer } from "../../support/peers.js";
import { until, within } from "../../support/until.js";
import { agreement, frame, request } from "../../support/websocket.js";

describe("a server", () => {
  const startOurs = (options = {}) => startServer({ at: `ws://${ownAddress()}:0`, mode: "echo", ...options });

  it("gives up on an incomplete handshake, and still serves others", async () => {
    const server = await startOurs({ handshakeTimeoutMs: 3000 });
    const silent = await connectForeign(server.address);
    const half = await connectForeign(server.address);
    half.socket.write("GET / HTTP/1.1\r\nHost: a\r\n");
    const good = await connectForeign(server.address);
    good.socket.write(request());
    await until("the others are closed", () => silent.hasEnded() && half.hasEnded());
    expect(good.hasEnded()).toBe(false);
    // It counts a close after it has made it.
    await until("they are counted", () => server.snapshot().open === 1);
    expect(server.snapshot().ready).toBe(1);
    const { failures } = await within("the end", server.stop());
    expect(failures).toEqual([{ phase: "upgrade", errno: "ETIMEDOUT", count: 2 }]);
  });

  const peers: [string, string, object][] = [
    [
      "a head without an end",
      `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(5000)}`,
      { phase: "upgrade", errno: "HEAD_TOO_LONG" },
    ],
    ["something other than HTTP", "\x16\x03\x01\x02\x00\r\n\r\n", { phase: "upgrade", errno: "HTTP 400" }],
    [
      "a message of 4 GiB",
      request() + frame(2, "x", { mask: "mask", length: 2 ** 32 }),
      { phase: "receive", errno: "MESSAGE_TOO_BIG" },
    ],
    ["a frame without a mask", request() + frame(1, "x"), { phase: "receive", errno: "BAD_FRAME" }],
    [
      "text that is not UTF-8",
      request() + frame(1, "\xc0\x80", { mask: "mask" }),
      { phase: "receive", errno: "BAD_UTF8" },
    ],
  ];
  it.each(peers)("closes a connection that sends %s", async (_, bytes, failure) => {
    const server = await startOurs();
    const peer = await connectForeign(server.address);
    peer.socket.write(Buffer.from(bytes, "latin1"));
    await until("it is closed", () => peer.hasEnded());
    const result = await within("the end", server.stop());
    expect(result.failures).toEqual([{ ...failure, count: 1 }]);
  });

  it("counts a connection that ends during its handshake", async () => {
    const server = await startOurs();
    const peer = await connectForeign(server.address);
    peer.socket.end("GET / HT");
    await until("it is closed", () => server.snapshot().open === 0 && server.snapshot().accepted === 1);
    const { failures } = await within("the end", server.stop());
    expect(failures).toEqual([{ phase: "upgrade", errno: "FIN", count: 1 }]);
  });
});

describe("a client", () => {
  const failAt = async (answer: string | undefined, options = {}) => {
    const server = await startForeignServer((socket) => {
      if (answer !== undefined) socket.write(Buffer.from(answer, "latin1"));
    });
    const run = await startClient({ to: `ws://${server.at}`, connections: 3, ...options });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ outcome: "missed", established: 3 });
    await until("nothing is open there", () => server.sockets.size === 0);
    return result;
  };

  it("gives up on a server that does not answer its upgrade", async () => {
    const result = await failAt(undefined, { handshakeTimeoutMs: 300 });
    expect(result).toMatchObject({
      ready: 0,
      failed: 3,
      failures: [{ phase: "upgrade", errno: "ETIMEDOUT", count: 3 }],
    });
    expect(result.misses).toContainEqual({ kind: "unready", count: 3, of: 3 });
    expect(result.diagnosis!.finding).toMatchObject({ limit: "peer-silent", whose: "peer" });
  });

  const servers: [string, string, string][] = [
    ["something other than HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "NOT_HTTP"],
    ["a head without an end", `HTTP/1.1 101 x\r\n${"X: y\r\n".repeat(5000)}`, "HEAD_TOO_LONG"],
    ["the answer to another key", agreement(), "BAD_UPGRADE"],
    ["503", agreement({}, "HTTP/1.1 503 Service Unavailable"), "HTTP 503"],
  ];
  it.each(servers)("reports %s instead of an upgrade", async (_, answer, errno) => {
    const result = await failAt(answer);
    expect(result).toMatchObject({ ready: 0, failures: [{ phase: "upgrade", errno, count: 3 }] });
    expect(result.diagnosis!.finding!.evidence).toEqual([`3 × ${errno} (upgrade)`]);
  });

  it("tolerates as many refusals as permitted", async () => {
    let met = 0;
    const server = await startForeignServer((socket) => {
      if (met++ === 0) socket.write("HTTP/1.1 429 Too Many Requests\r\n\r\n");
    });
    const options = { connections: 1, durationMs: 0, maxFailed: 1 };
    const result = await within("the end", (await startClient({ to: `ws://${server.at}`, ...options })).done);
    expect(result).toMatchObject({ outcome: "met", ready: 0, failed: 1 });
  });
});

it("both sides work over IPv6, and with a port range", async () => {
  const server = await startServer({ at: "ws://[::1]:0" });
  const run = await startClient({ to: `ws://${endpoint(server.address)}/`, connections: 5, durationMs: 0 });
  expect(await within("the end", run.done)).toMatchObject({ outcome: "met", ready: 5 });
});
