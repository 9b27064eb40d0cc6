// Tests both sides with foreign peers over real sockets: npm's `ws`, Python's websockets, and nginx in between.
// Assertions also use what the foreign side saw.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import type { ServeOptions } from "../../../src/index.js";
import { endpoint, ownAddress, ownPort } from "../../support/address.js";
import { listeningAt } from "../../support/kernel.js";
import { startClient, startServer } from "../../support/peers.js";
import { hasProgram, start } from "../../support/process.js";
import { until, within } from "../../support/until.js";

interface Seen {
  readonly paths: (string | undefined)[];
  readonly headers: (string | undefined)[];
  readonly messages: string[];
  readonly pings: number[];
  readonly codes: number[];
}

/** Starts a `ws` server that echoes messages, and records what it sees. */
async function startWs(options: { onOpen?: (socket: WebSocket) => void } = {}) {
  const ip = ownAddress();
  const server = new WebSocketServer({ host: ip, port: ownPort(), handleProtocols: ([first = ""]) => first });
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const seen: Seen = { paths: [], headers: [], messages: [], pings: [], codes: [] };
  server.on("connection", (socket, request) => {
    seen.paths.push(request.url);
    seen.headers.push(request.headers.authorization);
    socket.on("message", (data: RawData, isBinary) => {
      seen.messages.push(`${isBinary ? "binary" : "text"} ${data}`);
      socket.send(data as Buffer, { binary: isBinary });
    });
    socket.on("ping", () => seen.pings.push(1));
    socket.on("close", (code) => seen.codes.push(code));
    socket.on("error", () => undefined);
    options.onOpen?.(socket);
  });
  const { port } = server.address() as { port: number };
  return { seen, server, at: `ws://${ip}:${port}` };
}

async function startOurs(options: Partial<ServeOptions> & { path?: string } = {}) {
  const { path = "", ...others } = options;
  const server = await startServer({ at: `ws://${ownAddress()}:0${path}`, mode: "echo", ...others });
  return { server, at: `ws://${endpoint(server.address)}` };
}

/** Opens a `ws` client, closed at the end of the test. */
function openWs(url: string, protocols: string[] = []): WebSocket {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
  socket.on("error", () => undefined);
  onTestFinished(() => socket.terminate());
  return socket;
}

describe("our client with a ws server", () => {
  it("upgrades with headers, gets answers to its messages, pings, and closes with 1000", async () => {
    const { seen, at } = await startWs();
    const run = await startClient({
      to: `${at}/chat?room=1`,
      connections: 20,
      message: "grüße",
      messageRatePerSec: 20,
      durationMs: 500,
      pingIntervalMs: 100,
      headers: ["Authorization: Bearer x"],
      subprotocol: "mqtt",
    });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({
      outcome: "met",
      protocol: "ws",
      established: 20,
      ready: 20,
      failures: [],
      losses: [],
    });
    expect(result.messages).toMatchObject({ unanswered: 0, wrongBytes: 0, unsolicitedBytes: 0 });
    expect(result.messages!.answered).toBeGreaterThan(20);
    expect(result.latency.handshake!.count).toBe(20);
    expect(result.latency.roundTrip.count).toBe(result.messages!.due);
    await until("all are closed", () => seen.codes.length === 20);
    expect(new Set(seen.codes)).toEqual(new Set([1000]));
    expect(new Set(seen.paths)).toEqual(new Set(["/chat?room=1"]));
    expect(new Set(seen.headers)).toEqual(new Set(["Bearer x"]));
    expect(new Set(seen.messages)).toEqual(new Set(["text grüße"]));
    expect(seen.messages).toHaveLength(result.messages!.sent);
    expect(result.heartbeats!.sent).toBe(seen.pings.length);
    expect(result.heartbeats!.answered).toBeGreaterThanOrEqual(20);
  });

  it("exchanges long binary messages", async () => {
    const { seen, at } = await startWs();
    const message = Buffer.alloc(200_000, "\xff\x00ab", "latin1");
    const run = await startClient({ to: at, connections: 3, message, binary: true, durationMs: 200 });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ outcome: "met", ready: 3 });
    expect(seen.messages.every((text) => text.startsWith("binary"))).toBe(true);
  });

  it("answers its pings", async () => {
    let pongs = 0;
    const { at } = await startWs({
      onOpen: (socket) => {
        socket.on("pong", (data) => {
          if (`${data}` === "are you there?") pongs++;
        });
        socket.ping("are you there?");
      },
    });
    const run = await startClient({ to: at, connections: 5, durationMs: Number.POSITIVE_INFINITY });
    await until("five pongs", () => pongs === 5);
    const result = await within("the end", run.stop());
    expect(result.heartbeats).toEqual({ sent: 0, answered: 0, received: 5 });
  });

  it("counts messages that the server sends unprompted, even right after the upgrade", async () => {
    const { at } = await startWs({
      onOpen: (socket) => {
        for (const text of ["one", "two"]) socket.send(text);
      },
    });
    const result = await within("the end", (await startClient({ to: at, connections: 5, durationMs: 300 })).done);
    expect(result).toMatchObject({ outcome: "met", deliveries: { received: 10, lost: 0, repeated: 0 } });
  });

  it("prints the messages of a single connection, and the code that closed it", async () => {
    const { at } = await startWs({
      onOpen: (socket) => {
        socket.send("hello");
        socket.close(1013, "busy");
      },
    });
    const run = await startClient({ to: at });
    const texts: string[] = [];
    run.on("received", (text) => texts.push(text));
    const result = await within("the end", run.done);
    expect(texts).toEqual(["hello"]);
    expect(result).toMatchObject({
      outcome: "met",
      ready: 1,
      losses: [{ phase: "hold", errno: "CLOSE 1013", count: 1 }],
    });
  });

  it("loses connections that are closed, and explains why", async () => {
    const { at } = await startWs({ onOpen: (socket) => socket.close(1013) });
    const run = await startClient({ to: at, connections: 10 });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({
      outcome: "missed",
      ready: 10,
      lost: 10,
      losses: [{ phase: "hold", errno: "CLOSE 1013", count: 10 }],
      diagnosis: { finding: { limit: "peer-maximum", whose: "peer" } },
    });
  });
});

describe("our server", () => {
  it("echoes what a ws client sends: text, binary, empty, long, in fragments", async () => {
    const { server, at } = await startOurs();
    const socket = openWs(at);
    const got: [string, boolean][] = [];
    socket.on("message", (data: RawData, isBinary) => got.push([`${data}`, isBinary]));
    await within("the upgrade", once(socket, "open"));
    const long = "ä".repeat(100_000);
    socket.send("text");
    socket.send(Buffer.from("binary"));
    socket.send("");
    socket.send(long);
    socket.send("frag", { fin: false });
    socket.send("ments", { fin: true });
    await until("all are back", () => got.length === 5);
    expect(got).toEqual([
      ["text", false],
      ["binary", true],
      ["", false],
      [long, false],
      ["fragments", false],
    ]);
    socket.ping("p");
    const [pong] = await within("a pong", once(socket, "pong"));
    expect(`${pong}`).toBe("p");
    socket.close(1000);
    const [code] = await within("the close", once(socket, "close"));
    expect(code).toBe(1000);
    expect(await within("the end", server.stop())).toMatchObject({
      protocol: "ws",
      accepted: 1,
      ready: 1,
      failures: [],
    });
  });

  it("greets with a message, and closes after it", async () => {
    const { server, at } = await startOurs({ mode: "hello", closeAfterGreeting: true, greeting: "welcome" });
    const socket = openWs(at);
    const message = once(socket, "message");
    const closed = once(socket, "close");
    expect(`${(await within("the greeting", message))[0]}`).toBe("welcome");
    expect((await within("the close", closed))[0]).toBe(1000);
    expect(await within("the end", server.stop())).toMatchObject({ ready: 1, failures: [] });
  });

  it("pings, and closes connections that do not answer", async () => {
    const { server, at } = await startOurs({ pingIntervalMs: 100 });
    const socket = openWs(at);
    let pings = 0;
    socket.on("ping", () => pings++);
    await until("three pings", () => pings >= 3);
    // From now on, the client reads nothing.
    socket.pause();
    await until("it is closed", () => server.snapshot().open === 0);
    const result = await within("the end", server.stop());
    expect(result.failures).toEqual([{ phase: "receive", errno: "NO_PONG", count: 1 }]);
    expect(result.heartbeats).toEqual({
      sent: result.heartbeats!.answered + 1,
      answered: expect.any(Number),
      received: 0,
    });
    expect(result.heartbeats!.answered).toBeGreaterThanOrEqual(2);
  });

  it("refuses other paths, unknown subprotocols, and requests that are not upgrades", async () => {
    const { server, at } = await startOurs({ path: "/chat", subprotocol: "mqtt" });
    const other = openWs(`${at}/other`);
    const [error] = await within("the refusal", once(other, "error"));
    expect(`${error}`).toContain("404");
    const agreed = openWs(`${at}/chat`, ["soap", "mqtt"]);
    await within("the upgrade", once(agreed, "open"));
    expect(agreed.protocol).toBe("mqtt");
    const plain = await fetch(`${at.replace("ws", "http")}/chat`);
    expect([plain.status, plain.headers.get("upgrade")]).toEqual([426, "websocket"]);
    const { failures } = await within("the end", server.stop());
    expect(failures).toEqual(
      expect.arrayContaining([
        { phase: "upgrade", errno: "HTTP 404", count: 1 },
        { phase: "upgrade", errno: "HTTP 426", count: 1 },
      ]),
    );
  });

  it.runIf(hasProgram("curl"))("accepts an upgrade by curl", async () => {
    const { at } = await startOurs({ mode: "hello" });
    const curl = start("curl", [
      ...["-sNi", "--max-time", "20", at.replace("ws", "http")],
      ...["-H", "Upgrade: websocket", "-H", "Connection: Upgrade", "-H", "Sec-WebSocket-Version: 13"],
      ...["-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
    ]);
    await curl.prints(/^HTTP\/1.1 101 [\s\S]*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=[\s\S]*hello/);
  });

  it.runIf(hasWebsockets())("works with Python's websockets", async () => {
    const { at } = await startOurs();
    const program = `
import asyncio, websockets
async def main():
    async with websockets.connect("${at}/any") as socket:
        for message in ["grüße", b"\\x00\\xff", "x" * 70000]:
            await socket.send(message)
            assert await socket.recv() == message
        await (await socket.ping())
    print("closed", socket.close_code)
asyncio.run(main())`;
    const python = start("/usr/bin/python3", ["-c", program]);
    await python.prints(/closed 1000/);
  });
});

describe("nginx between our two sides", () => {
  it.runIf(hasProgram("nginx"))("passes upgrades, messages and pings, and answers 502 without a server", async () => {
    const { server, at } = await startOurs({ path: "/chat" });
    const [ip, port] = [ownAddress(), ownPort()];
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-nginx-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "nginx.conf"), proxyTo(at.replace("ws://", ""), `${ip}:${port}`));
    start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")]);
    await until("nginx listens", () => listeningAt({ ip, port }) === 1);
    const to = `ws://${ip}:${port}/chat`;
    const options = {
      to,
      connections: 50,
      message: "ping",
      messageRatePerSec: 10,
      pingIntervalMs: 100,
      durationMs: 400,
    };
    const result = await within("the end", (await startClient(options)).done);
    expect(result).toMatchObject({ outcome: "met", ready: 50, losses: [] });
    expect(result.messages!.answered).toBeGreaterThan(50);
    expect(server.snapshot().ready).toBe(50);
    await server.stop();
    const without = await within("the end", (await startClient({ ...options, connections: 5 })).done);
    expect(without).toMatchObject({
      outcome: "missed",
      established: 5,
      ready: 0,
      failures: [{ phase: "upgrade", errno: "HTTP 502", count: 5 }],
      diagnosis: { finding: { limit: "backend", whose: "peer" } },
    });
  });
});

function proxyTo(backend: string, listen: string): string {
  return `daemon off; master_process off; error_log error.log; pid pid;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen ${listen};
    location / {
      proxy_pass http://${backend};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }
  }
}`;
}

function hasWebsockets(): boolean {
  const isThere = spawnSync("/usr/bin/python3", ["-c", "import websockets"]).status === 0;
  if (!isThere) console.warn("skipped: python3-websockets is not installed");
  return isThere;
}
