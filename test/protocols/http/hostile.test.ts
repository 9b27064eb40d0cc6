// Tests peers that violate HTTP, on both sides over real sockets: each costs a bounded time and ends in a counted
// failure.
import { describe, expect, it } from "vitest";
import { ownAddress } from "../../support/address.js";
import { chunks, message, request, response } from "../../support/http.js";
import { connectForeign, startClient, startForeignServer, startServer } from "../../support/peers.js";
import { until, within } from "../../support/until.js";

const CHUNKED = { "Transfer-Encoding": "chunked" };

describe("a server", () => {
  it("gives up on an unfinished head, and still serves others", async () => {
    const server = await startServer({ at: `http://${ownAddress()}:0`, handshakeTimeoutMs: 3000 });
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
    expect(failures).toEqual([{ phase: "request", errno: "ETIMEDOUT", count: 2 }]);
  });

  const peers: [string, string, string][] = [
    ["a head without an end", `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(5000)}`, "HTTP 431"],
    ["TLS", "\x16\x03\x01\x02\x00", "HTTP 400"],
    ["a body of 4 GiB", request("", { "Content-Length": `${2 ** 32}` }), "HTTP 413"],
    ["a chunk of 4 GiB", `${request("", CHUNKED)}100000000\r\n${"x".repeat(2_000_000)}`, "HTTP 413"],
    ["invalid chunks", `${request("", CHUNKED)}-1\r\n`, "HTTP 400"],
  ];
  it.each(peers)("closes a connection that sends %s", async (_, bytes, errno) => {
    const server = await startServer({ at: `http://${ownAddress()}:0` });
    const peer = await connectForeign(server.address);
    peer.socket.write(Buffer.from(bytes, "latin1"));
    await until("it is closed", () => peer.hasEnded());
    expect((await within("the end", server.stop())).failures).toEqual([{ phase: "request", errno, count: 1 }]);
  });

  it("closes the connection of a peer that sends requests without reading, which costs no memory", async () => {
    const server = await startServer({ at: `http://${ownAddress()}:0`, body: Buffer.alloc(1_000_000, "x") });
    const peer = await connectForeign(server.address);
    peer.socket.pause();
    const many = Buffer.from(request().repeat(1000));
    peer.socket.write(many);
    await until(
      "it is accepted and closed",
      () => server.snapshot(),
      ({ accepted, open }) => accepted === 1 && open === 0,
    );
    const { failures } = await within("the end", server.stop());
    expect(failures.map(({ errno }) => errno)).toContain("SEND_QUEUE_FULL");
  });
});

describe("a client", () => {
  const meet = async (answer: string, options = {}) => {
    const server = await startForeignServer((socket) => {
      socket.write(Buffer.from(answer, "latin1"));
    });
    const run = await startClient({ to: `http://${server.at}`, connections: 3, ...options });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ outcome: "missed", established: 3 });
    await until("nothing is open there", () => server.sockets.size === 0);
    return [...result.failures, ...result.losses];
  };

  it.each([
    ["a head without an end", `HTTP/1.1 200 OK\r\n${"X: y\r\n".repeat(5000)}`, "request", "HEAD_TOO_LONG"],
    ["another protocol", "220 smtp.example.org ESMTP\r\n", "request", "NOT_HTTP"],
    ["an enormous length", response("", { "Content-Length": "9".repeat(40) }), "request", "BAD_RESPONSE"],
    ["invalid chunks", `${message("HTTP/1.1 200 OK", CHUNKED)}nothing\r\n`, "hold", "BAD_RESPONSE"],
    ["enormous chunks", `${message("HTTP/1.1 200 OK", CHUNKED)}ffffffffffffffff\r\n`, "hold", "BAD_RESPONSE"],
    ["a surplus response", response("") + response(""), "hold", "UNSOLICITED_RESPONSE"],
  ])("ends a connection on %s", async (_, answer, phase, errno) => {
    expect(await meet(answer)).toEqual([{ phase, errno, count: 3 }]);
  });

  it("reads a body of any length without storing it", async () => {
    const many = message("HTTP/1.1 200 OK", CHUNKED, chunks(...new Array<string>(200).fill("x".repeat(50_000))));
    const server = await startForeignServer((socket) => {
      socket.write(many);
    });
    const run = await startClient({ to: `http://${server.at}`, connections: 3, durationMs: 500 });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ outcome: "met", ready: 3, lost: 0 });
  });
});
