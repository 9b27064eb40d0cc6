// Tests connection pools: requests over connections that the server closes, a limited number of requests, and whether
// the outcomes add up to what the servers counted.
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress, ownPort } from "../../support/address.js";
import { Authority } from "../../support/certificates.js";
import { startNginx } from "../../support/nginx.js";
import { startClient } from "../../support/peers.js";
import { hasProgram } from "../../support/process.js";
import { until, within } from "../../support/until.js";

const PART = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome";
const KEPT = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** The counts of reopened connections; 0 unless given. */
const reopened = (counts: object = {}) => ({
  ...{ announced: 0, idle: 0, cutShort: 0, failed: 0, repeated: 0, unrepeated: 0 },
  ...counts,
});

/** Starts a server that calls `answer` with the number of each request over its connection, from 1 on. */
async function startServer(answer: (socket: Socket, request: number) => void) {
  const [ip, port] = [ownAddress(), ownPort()];
  const counts = { connections: 0, requests: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    counts.connections++;
    sockets.add(socket);
    let [request, text] = [0, ""];
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        text = text.slice(end + 4);
        counts.requests++;
        answer(socket, ++request);
      }
    });
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen({ port, host: ip, backlog: 4096 }, resolve));
  return { server, counts, to: `http://${ip}:${port}/` };
}

type Options = Parameters<typeof startClient>[0];
const run = async (options: Options) => within("the end", (await startClient(options)).done);

it("a connection whose first request is never answered owes no further requests", async () => {
  const { counts, to } = await startServer(() => undefined);
  const result = await run({ to, connections: 5, messageRatePerSec: 20, handshakeTimeoutMs: 500, durationMs: 0 });
  expect(result.failures).toEqual([{ phase: "request", errno: "ETIMEDOUT", count: 5 }]);
  expect(result.messages).toMatchObject({ due: 5, sent: 5, answered: 0, unanswered: 5, missed: 0 });
  expect(counts.requests).toBe(5);
});

describe("a connection that the server closes", () => {
  it("after each response, whose body it ends, is opened again for each request", async () => {
    const { counts, to } = await startServer((socket) => socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"));
    const result = await run({ to, connections: 20, requests: 200 });
    expect(result).toMatchObject({ outcome: "met", established: 20, ready: 20, failed: 0, lost: 0, failures: [] });
    expect(result.reopened).toEqual(reopened({ announced: 180 }));
    expect(result.messages).toMatchObject({ requested: 200, due: 200, sent: 200, answered: 200, missed: 0 });
    expect(result.messages!.ratePerSec).toBeUndefined();
    expect(result.responses).toMatchObject({ "2xx": 200, "4xx": 0, "5xx": 0 });
    expect(result.latency.roundTrip.count).toBe(200);
    expect(counts).toEqual({ requests: 200, connections: 200 });
  });

  it("without notice while it is idle is opened again for its next request", async () => {
    const { counts, to } = await startServer((socket) => socket.end(KEPT));
    const result = await run({ to, connections: 5, requests: 25, messageRatePerSec: 10 });
    expect(result).toMatchObject({ outcome: "met", established: 5, failed: 0, lost: 0 });
    // On a busy machine, a request may meet the close.
    expect(result.reopened).toEqual(reopened({ idle: 20, repeated: expect.any(Number) }));
    expect(result.messages).toMatchObject({ ratePerSec: 10, due: 25, sent: 25, answered: 25, missed: 0 });
    expect(counts.connections).toBe(25);
  });

  it.each(["FIN", "RST"] as const)(
    "by %s as the next request arrives is replaced, and the request is sent again",
    async (how) => {
      const heldMs = 200;
      let unread = 0;
      const { counts, to } = await startServer((socket, request) => {
        if (request === 1) socket.write(KEPT);
        else {
          unread++;
          setTimeout(() => (how === "FIN" ? socket.end() : socket.resetAndDestroy()), heldMs);
        }
      });
      const result = await run({ to, connections: 4, requests: 12 });
      expect(result).toMatchObject({ outcome: "met", failed: 0, lost: 0, losses: [] });
      expect(result.reopened).toEqual(reopened({ idle: 8, repeated: 8 }));
      expect(result.messages).toMatchObject({ sent: 12, answered: 12, unanswered: 0 });
      expect([counts.connections, counts.requests - unread]).toEqual([12, 12]);
      // The latency includes the first attempt.
      expect(result.latency.roundTrip.p90Us).toBeGreaterThanOrEqual(heldMs * 1000);
    },
  );

  it.each([
    ["POST by FIN", { method: "POST", body: "order" }, { unrepeated: 8 }],
    ["POST by RST", { method: "POST", body: "order" }, { unrepeated: 8 }],
    ["PATCH by FIN", { method: "PATCH" }, { unrepeated: 8 }],
    ["PUT by FIN", { method: "PUT", body: "order" }, { repeated: 8 }],
    ["POST with an Idempotency-Key by RST", { body: "order", headers: ["Idempotency-Key: 1"] }, { repeated: 8 }],
  ])(
    "as the next request arrives has it sent again only if its method is idempotent: %s",
    async (name, options, counts) => {
      const { counts: seen, to } = await startServer((socket, request) => {
        if (request === 1) socket.write(KEPT);
        else if (name.endsWith("FIN")) socket.end();
        else socket.resetAndDestroy();
      });
      const result = await run({ to, connections: 4, requests: 12, ...options });
      const isRepeated = "repeated" in counts;
      expect(result).toMatchObject({ outcome: isRepeated ? "met" : "missed", failed: 0, lost: 0, losses: [] });
      // Each connection: an answer, a close; if not repeated, the third request is the next connection's first.
      const unanswered = isRepeated ? 0 : 4;
      expect(result.reopened).toEqual(reopened(isRepeated ? { idle: 8, repeated: 8 } : { idle: 4, unrepeated: 4 }));
      expect(result.messages).toMatchObject({ due: 12, sent: 12, answered: 12 - unanswered, unanswered, missed: 0 });
      expect(seen.connections).toBe(isRepeated ? 12 : 8);
      if (isRepeated) return;
      // Nothing was sent twice.
      expect(seen.requests).toBe(12);
      expect(result.diagnosis!.finding).toMatchObject({ limit: "keep-alive", whose: "peer" });
    },
  );

  it.each(["FIN", "RST"])(
    "in the middle of a response is replaced, but its request is unanswered: by %s",
    async (how) => {
      const { counts, to } = await startServer((socket, request) => {
        if (request < 3) socket.write(KEPT);
        // The client has read the part before the reset.
        else if (how === "FIN") socket.end(PART);
        else socket.write(PART, () => setTimeout(() => socket.resetAndDestroy(), 50));
      });
      const result = await run({ to, connections: 4, requests: 40 });
      expect(result).toMatchObject({ outcome: "missed", established: 4, failed: 0, lost: 0, losses: [] });
      // Requests 3, 6 and 9 of each connection's ten.
      expect(result.reopened).toEqual(reopened({ cutShort: 12 }));
      expect(result.messages).toMatchObject({ due: 40, sent: 40, answered: 28, unanswered: 12, missed: 0 });
      expect(result.responses!.statuses).toEqual([{ phase: "response", errno: "CUT_SHORT", count: 12 }]);
      expect(result.misses).toEqual([{ kind: "unanswered", count: 12, of: 40 }]);
      expect(result.diagnosis!.finding).toMatchObject({ limit: "peer-closing", whose: "peer" });
      expect(counts).toEqual({ requests: 40, connections: 16 });
    },
  );

  it("in the middle of each first response is replaced for each request, at a rate", async () => {
    const { counts, to } = await startServer((socket) => socket.end(PART));
    const result = await run({ to, connections: 3, requests: 12, messageRatePerSec: 20 });
    expect(result).toMatchObject({ outcome: "missed", ready: 3, failed: 0, lost: 0 });
    expect(result.reopened).toEqual(reopened({ cutShort: 9 }));
    expect(result.messages).toMatchObject({ due: 12, sent: 12, answered: 0, unanswered: 12, missed: 0 });
    expect(counts).toEqual({ requests: 12, connections: 12 });
  });

  it("in the middle of a response is lost without a pool", async () => {
    const { to } = await startServer((socket) => socket.end(PART));
    const result = await run({ to, connections: 4, requests: 8, reopen: false });
    expect(result).toMatchObject({ outcome: "missed", lost: 4, messages: { sent: 4, unanswered: 4, missed: 4 } });
    expect(result.losses).toEqual([{ phase: "hold", errno: "CUT_SHORT", count: 4 }]);
  });

  it("and refuses from then on fails once, and the run ends by itself", async () => {
    const asking: Socket[] = [];
    const { server, to } = await startServer((socket) => {
      if (asking.push(socket) < 3) return;
      server.close();
      for (const each of asking) each.end(KEPT);
    });
    const result = await run({ to, connections: 3, messageRatePerSec: 5, durationMs: 60_000 });
    expect(result).toMatchObject({ outcome: "missed", established: 3, failed: 3, reopened: { idle: 0, failed: 3 } });
    expect(result.failures).toEqual([{ phase: "connect", errno: "ECONNREFUSED", count: 3 }]);
    expect(result.misses).toContainEqual({ kind: "unreopened", count: 3, of: 3 });
    expect(result.holdMs).toBeLessThan(50_000);
  });

  it("repeatedly before any response is opened once more, and then not again", async () => {
    const asking: Socket[] = [];
    const { counts, to } = await startServer((socket) => {
      if (counts.requests > 3) socket.end();
      else if (asking.push(socket) === 3) for (const each of asking) each.end(KEPT);
    });
    const result = await run({ to, connections: 3, requests: 30, concurrency: 3 });
    expect(result).toMatchObject({ outcome: "missed", failed: 3, reopened: { idle: 3, failed: 3 } });
    expect(result.failures).toEqual([{ phase: "request", errno: "FIN", count: 3 }]);
    expect(result.messages).toMatchObject({ due: 30, sent: 6, answered: 3, unanswered: 3, missed: 24 });
    // A connection's second request may cross its close.
    expect(counts.connections).toBe(6);
  });

  it("only in its announcement is closed from this side, and the next request waits no longer than that", async () => {
    const { counts, to } = await startServer((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    });
    const result = await run({ to, connections: 5, requests: 15 });
    expect(result).toMatchObject({ outcome: "met", lost: 0, reopened: { announced: 10, idle: 0, failed: 0 } });
    expect(counts).toEqual({ requests: 15, connections: 15 });
  });
});

describe("the number of requests", () => {
  it.each([
    ["one for each connection", { connections: 100, requests: 100 }],
    ["more, over the connections of all threads", { connections: 1200, requests: 2500 }],
    ["at a rate", { connections: 7, requests: 40, messageRatePerSec: 20 }],
  ])("is exact: %s", async (_, options) => {
    const { counts, to } = await startServer((socket) => setTimeout(() => socket.write(KEPT), 20));
    const result = await run({ to, ...options });
    const { connections, requests } = options;
    expect(result).toMatchObject({ outcome: "met", established: connections });
    expect(result.messages).toMatchObject({ due: requests, sent: requests, answered: requests });
    expect(result.latency.roundTrip.count).toBe(requests);
    expect(counts).toEqual({ requests, connections });
  });

  it.each([
    ["answered after 20 ms", 20, 400],
    // Time for four answers on each connection, also on a busy machine.
    ["never answered", undefined, 1500],
  ])("that a time limit cuts short agrees with the server's count: %s", async (_, delayMs, durationMs) => {
    const { counts, to } = await startServer((socket, request) => {
      if (request < 5 || delayMs !== undefined) setTimeout(() => socket.write(KEPT), delayMs ?? 1);
    });
    const result = await run({ to, connections: 10, requests: 100_000, durationMs });
    const { due, sent, answered, unanswered, inFlight, missed } = result.messages!;
    expect(result.outcome).toBe("missed");
    expect(due).toBe(100_000);
    expect(sent + missed).toBe(due);
    expect(answered + unanswered + inFlight).toBe(sent);
    expect(sent).toBe(counts.requests);
    if (delayMs === undefined) expect([answered, unanswered]).toEqual([40, 10]);
  });

  it("counts every request at a rate, including the first of each connection", async () => {
    const { counts, to } = await startServer((socket) => setTimeout(() => socket.write(KEPT), 5));
    const result = await run({ to, connections: 10, messageRatePerSec: 20, durationMs: 500 });
    const { sent, answered, unanswered, inFlight } = result.messages!;
    expect([answered + unanswered + inFlight, counts.requests]).toEqual([sent, sent]);
    expect(result.responses!["2xx"]).toBe(answered);
  });
});

describe("an error", () => {
  it("is an answer with its own latency, even the first, and misses the target", async () => {
    const { counts, to } = await startServer((socket, request) => {
      if (request % 2 === 1) socket.write("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
      else socket.write(KEPT);
    });
    const result = await run({ to, connections: 5, requests: 20 });
    expect(result).toMatchObject({ outcome: "missed", ready: 5, failed: 0, lost: 0 });
    expect(result.messages).toMatchObject({ sent: 20, answered: 20 });
    expect(result.responses).toMatchObject({ "2xx": 10, "5xx": 10 });
    expect(result.responses!.statuses).toEqual([{ phase: "response", errno: "HTTP 502", count: 10 }]);
    expect(result.misses).toEqual([{ kind: "errors", count: 10, of: 20 }]);
    expect(result.latency.roundTrip.count).toBe(20);
    expect(counts).toEqual({ requests: 20, connections: 5 });
  });

  it("that refuses held connections has a latency, too", async () => {
    const { to } = await startServer((socket) => socket.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
    const result = await run({ to, connections: 5, durationMs: 100 });
    expect(result).toMatchObject({ outcome: "missed", ready: 0, failed: 5 });
    expect(result.latency.handshake!.count).toBe(5);
  });
});

describe("a response without a request", () => {
  it("is counted apart, and ends its connection", async () => {
    const { to } = await startServer((socket) => socket.write(KEPT + KEPT));
    const result = await run({ to, connections: 4, requests: 12 });
    expect(result).toMatchObject({ outcome: "missed", lost: 4, messages: { sent: 4, answered: 4, unanswered: 0 } });
    expect(result.losses).toEqual([{ phase: "hold", errno: "UNSOLICITED_RESPONSE", count: 4 }]);
    expect(result.responses).toMatchObject({ "2xx": 4 });
    expect(result.diagnosis!.finding).toMatchObject({ limit: "peer-fault", whose: "peer" });
  });

  it("that arrives before its request has been sent completely answers it once", async () => {
    const body = new Uint8Array(8 * 1024 * 1024);
    const { counts, to } = await startServer((socket, request) => {
      if (request === 1) socket.pause().write(KEPT, () => setTimeout(() => socket.resume(), 100));
    });
    const result = await run({ to, connections: 2, requests: 4, body, durationMs: 30_000 });
    expect(result).toMatchObject({ lost: 0, messages: { sent: 4, answered: 4, unanswered: 0 } });
    expect(result.responses).toMatchObject({ "2xx": 4 });
    expect(counts.connections).toBe(4);
  });
});

describe("a response", () => {
  const CHUNKS = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n";
  const forms: [string, string, { method?: string; closes?: boolean }][] = [
    ["of HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", { closes: true }],
    ["of HTTP/1.0 without a length", "HTTP/1.0 200 OK\r\n\r\nok", { closes: true }],
    ["to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", { method: "HEAD" }],
    ["of 204", "HTTP/1.1 204 No Content\r\n\r\n", {}],
    ["of 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 999\r\n\r\n", {}],
    ["in chunks with a trailer", `${CHUNKS}2\r\nok\r\n1;x=y\r\n!\r\n0\r\nX: y\r\n\r\n`, {}],
  ];
  it.each(forms)("%s, a byte at a time, is complete", async (_, text, { method = "GET", closes = false }) => {
    const { counts, to } = await startServer((socket) => {
      socket.setNoDelay(true);
      const send = (at: number): void => {
        if (at < text.length) socket.write(text[at]!, () => setImmediate(send, at + 1));
        else if (closes) socket.end();
      };
      send(0);
    });
    const result = await run({ to, connections: 2, requests: 6, method });
    expect(result).toMatchObject({ outcome: "met", lost: 0, messages: { sent: 6, answered: 6 } });
    expect(result.reopened).toEqual(reopened({ announced: closes ? 4 : 0 }));
    expect(counts).toEqual({ requests: 6, connections: closes ? 6 : 2 });
  });

  it.runIf(hasProgram("openssl"))("that ends with its connection is cut short without close_notify", async () => {
    const authority = new Authority("our own");
    onTestFinished(() => authority.remove());
    const files = authority.issue("server", ["DNS:localhost"]);
    const [cert, key] = [readFileSync(files.cert), readFileSync(files.key)];
    const [ip, port] = [ownAddress(), ownPort()];
    let isAnnounced = true;
    const server = createTlsServer({ cert, key }, (socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        // end() sends close_notify; destroy() does not.
        socket.write("HTTP/1.1 200 OK\r\n\r\nok", () => (isAnnounced ? socket.end() : socket.destroy()));
      });
    });
    onTestFinished(() => {
      server.close();
    });
    await new Promise<void>((resolve) => server.listen({ port, host: ip }, resolve));
    const options = { to: `https://${ip}:${port}/`, connections: 3, requests: 6, insecure: true };
    const whole = await run(options);
    expect(whole).toMatchObject({ outcome: "met", messages: { answered: 6 }, reopened: { announced: 3 } });
    isAnnounced = false;
    const cut = await run(options);
    expect(cut).toMatchObject({ outcome: "missed", lost: 0, messages: { sent: 6, answered: 0, unanswered: 6 } });
    expect(cut.responses!.statuses).toEqual([{ phase: "response", errno: "CUT_SHORT", count: 6 }]);
  });
});

describe.runIf(hasProgram("nginx"))("nginx", () => {
  it("closes connections after so many requests, and its log has each request once", async () => {
    const nginx = await startNginx("keepalive_requests 50; location / { return 200 hello; }");
    const result = await run({ to: `http://${nginx.at}/x`, connections: 10, requests: 2000 });
    expect(result).toMatchObject({ outcome: "met", established: 10, lost: 0, failed: 0 });
    expect(result.messages).toMatchObject({ sent: 2000, answered: 2000 });
    // Each connection sends 200 requests, the last of which closes a connection that is no longer needed.
    expect(result.reopened).toEqual(reopened({ announced: 30 }));
    await until("its log is written", () => nginx.requests().length >= 2000);
    const lines = nginx.requests();
    expect(lines).toHaveLength(2000);
    expect(new Set(lines.map((line) => line.split(" ")[0])).size).toBe(40);
  });

  it("closes idle connections, which are opened again for their next request", async () => {
    const nginx = await startNginx("keepalive_timeout 100ms; location / { return 200 hello; }");
    const options = { connections: 5, requests: 15, messageRatePerSec: 2 };
    const result = await run({ to: `http://${nginx.at}/x`, ...options });
    expect(result).toMatchObject({ outcome: "met", lost: 0, losses: [], messages: { sent: 15, answered: 15 } });
    expect(result.reopened).toMatchObject({ announced: 0, failed: 0 });
    expect(result.reopened!.idle).toBeGreaterThanOrEqual(5);
    await until("its log is written", () => nginx.requests().length >= 15);
    expect(nginx.requests()).toHaveLength(15);
  });

  it("refuses bodies that are too long, one connection for each", async () => {
    const nginx = await startNginx("client_max_body_size 1k; location / { return 200 hello; }");
    const options = { connections: 5, requests: 20, body: "x".repeat(10_000) };
    const result = await run({ to: `http://${nginx.at}/`, ...options });
    expect(result).toMatchObject({ outcome: "missed", lost: 0, failed: 0, messages: { sent: 20, answered: 20 } });
    expect(result.responses).toMatchObject({ "2xx": 0, "4xx": 20 });
    expect(result.responses!.statuses).toEqual([{ phase: "response", errno: "HTTP 413", count: 20 }]);
    expect(result.latency.roundTrip.count).toBe(20);
    expect(result.diagnosis!.finding).toMatchObject({ limit: "message-size", whose: "peer" });
  });
});
