// Tests serve's PROXY protocol on real sockets: with haproxy, nginx, curl and fourtuple's client, and with peers that
// send something else or nothing.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ServeOptions, ServeRun } from "../../src/index.js";
import { endpoint, ownAddress, ownPort } from "../support/address.js";
import { listeningAt } from "../support/kernel.js";
import { connectForeign, startClient, startServer } from "../support/peers.js";
import { hasProgram, resultOf, start, startCli } from "../support/process.js";
import { hasUring } from "../support/ring.js";
import { until, within } from "../support/until.js";

const HOLD = { durationMs: Number.POSITIVE_INFINITY };
const V1 = "PROXY TCP4 198.51.100.7 192.0.2.1 4242 80\r\n";
const V2 = Buffer.from("0d0a0d0a000d0a515549540a2111000fc6336407c0000201109200500400" + "00", "hex");
const CLIENT = { ip: "198.51.100.7", port: 4242 };

/** Both engines, where both are available. */
const engineIfAny = (engine: "epoll" | "uring") => (hasUring ? { engine } : {});

/** Starts a server that expects a header, and collects the clients that it names. */
async function proxiedServer(options: Partial<ServeOptions> = {}) {
  const server = await startServer({ proxyProtocol: true, log: "all", ...options });
  const clients: { ip: string; port: number }[] = [];
  server.on("connection", (client) => clients.push(client));
  const named = (count: number) =>
    until(
      `${count} clients`,
      () => clients.length,
      (length) => length === count,
    );
  return { server, clients, named };
}

/** Connects, and sends these pieces one after another, each in a separate segment. */
async function sending(server: ServeRun, ...pieces: (string | Uint8Array)[]) {
  const client = await connectForeign(server.address);
  client.socket.setNoDelay(true);
  for (const piece of pieces) await new Promise((resolve) => client.socket.write(piece, resolve));
  return client;
}

/** Waits until this many connections have failed, stops the server, and returns the result. */
async function failedIn(server: ServeRun, closed: number) {
  await until(
    "they have ended",
    () => server.snapshot(),
    (now) => now.closed === closed,
  );
  return within("the end", server.stop());
}

describe("a connection", () => {
  it.each([
    ["v1", "epoll", V1],
    ["v2", "uring", V2],
  ] as const)("is greeted after its header, and has the client's address: %s, %s", async (version, engine, header) => {
    const options = { mode: "echo", greeting: "hello ", ...engineIfAny(engine) } as const;
    const { server, clients, named } = await proxiedServer(options);
    const client = await connectForeign(server.address);
    const isAccepted = () => server.snapshot().accepted === 1;
    await until("it is accepted", isAccepted);
    client.socket.write(header);
    expect((await client.receives(6)).toString()).toBe("hello ");
    client.socket.write("ping");
    expect((await client.receives(10)).toString()).toBe("hello ping");
    // Send everything in one segment.
    const second = await sending(server, Buffer.concat([Buffer.from(header), Buffer.from("pong")]));
    expect((await second.receives(10)).toString()).toBe("hello pong");
    await named(2);
    expect(clients).toEqual([CLIENT, CLIENT]);
    const result = await within("the end", server.stop());
    expect(result).toMatchObject({ accepted: 2, ready: 2, receivedBytes: 8, failures: [], unexpectedProxyHeaders: 0 });
    expect(result.proxyProtocol).toEqual({ v1: 0, v2: 0, withoutClient: 0, [version]: 2 });
    expect(result.diagnosis).toMatchObject({ outcome: "met", notes: [] });
  });

  it("may send its header byte by byte", async () => {
    const { server, clients, named } = await proxiedServer({ mode: "echo" });
    for (const header of [Buffer.from(V1), V2]) {
      const stream = Buffer.concat([header, Buffer.from("ping")]);
      const client = await sending(server, ...Array.from(stream, (byte) => Uint8Array.of(byte)));
      expect((await client.receives(4)).toString()).toBe("ping");
    }
    await named(2);
    expect(clients).toEqual([CLIENT, CLIENT]);
  });

  it("has the proxy's address if its header names no client", async () => {
    const { server, clients, named } = await proxiedServer();
    const local = Buffer.from("0d0a0d0a000d0a515549540a20000000", "hex");
    const sockets = [];
    for (const header of ["PROXY UNKNOWN\r\n", local]) {
      const client = await sending(server, header);
      await client.receives(5);
      sockets.push({ ip: client.socket.localAddress, port: client.socket.localPort });
    }
    await named(2);
    expect(clients).toEqual(sockets);
    const { proxyProtocol } = await within("the end", server.stop());
    expect(proxyProtocol).toEqual({ v1: 1, v2: 1, withoutClient: 2 });
  });

  it("above the maximum is closed before its header", async () => {
    const { server } = await proxiedServer({ maxConnections: 1 });
    await (await sending(server, V1)).receives(5);
    const second = await connectForeign(server.address);
    await until("the end", () => second.hasEnded());
    expect(server.snapshot()).toMatchObject({ accepted: 2, rejected: 1, open: 1, proxyV1: 1 });
  });
});

describe("our client's connections", () => {
  it.each([
    ["", "v1", "::1", "epoll"],
    ["", "v2", "::1", "uring"],
    ["tls://", "v2", undefined, "epoll"],
    ["tls://", "v1", undefined, "uring"],
    ["ws://", "v1", undefined, "uring"],
    ["wss://", "v1", "::1", "epoll"],
    ["http://", "v2", undefined, "epoll"],
    ["https://", "v1", undefined, "uring"],
    ["mqtt://", "v1", undefined, "epoll"],
    ["mqtts://", "v2", "::1", "uring"],
  ] as const)("are ready behind their own headers: %s %s %s, %s", async (scheme, version, host, engine) => {
    const ip = host ?? ownAddress();
    const at = endpoint({ ip, port: 0 });
    const { server, clients, named } = await proxiedServer({ at: `${scheme}${at}`, ...engineIfAny(engine) });
    const to = `${scheme}${endpoint({ ip, port: server.address.port })}`;
    const insecure = ["tls://", "wss://", "https://", "mqtts://"].includes(scheme) ? { insecure: true } : {};
    const run = await startClient({ to, connections: 20, proxyProtocol: version, ...insecure, ...HOLD });
    await until(
      "all are ready",
      () => run.snapshot().ready,
      (ready) => ready === 20,
    );
    await named(20);
    // Its connections are direct, so the headers name what the kernel would.
    expect(new Set(clients.map(endpoint)).size).toBe(20);
    expect(new Set(clients.map((client) => client.ip))).toEqual(new Set([host ?? "127.0.0.1"]));
    expect(await run.stop()).toMatchObject({ outcome: "met" });
    const result = await within("the end", server.stop());
    expect(result).toMatchObject({ accepted: 20, ready: 20, failures: [], proxyProtocol: { [version]: 20 } });
  });
});

it("runs a protocol of one's own behind its header", async () => {
  const protocol = fileURLToPath(new URL("../support/scripts/line.mjs", import.meta.url));
  const { server, named } = await proxiedServer({ protocol });
  const to = endpoint(server.address);
  const run = await startClient({ to, protocol, connections: 20, proxyProtocol: "v2", ...HOLD });
  await until(
    "all are ready",
    () => run.snapshot().ready,
    (ready) => ready === 20,
  );
  await named(20);
  expect(await run.stop()).toMatchObject({ outcome: "met" });
});

it("prints the clients, and how many headers there were", async () => {
  for (const json of [[], ["--json"]]) {
    const server = startCli(["serve", `${ownAddress()}:0`, "--proxy-protocol", ...json]);
    const [, ip, port] = await server.prints(json.length > 0 ? /"ip":"(.+?)","port":(\d+)/ : /listening on (.+):(\d+)/);
    const client = await connectForeign({ ip: ip!, port: Number(port) });
    client.socket.write(V2);
    await client.receives(5);
    await server.prints(
      json.length > 0 ? /"event":"connection","ip":"198.51.100.7","port":4242/ : /^client address 198.51.100.7:4242$/m,
    );
    server.child.kill("SIGINT");
    const { stdout } = await server.exited();
    if (json.length > 0) expect(resultOf(stdout)).toMatchObject({ proxyProtocol: { v1: 0, v2: 1, withoutClient: 0 } });
    else expect(stdout).toMatch(/^ *PROXY headers +1 × v2$/m);
  }
});

describe("a connection without a valid header", () => {
  it.each([
    ["a request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "NO_PROXY_HEADER", "did not begin with a PROXY protocol header"],
    ["garbage after the prefix", "PROXY TCP5 1 2 3 4\r\n", "BAD_PROXY_HEADER", "invalid PROXY protocol header"],
    [
      "an endless line",
      `PROXY TCP4 ${"1".repeat(200)}`,
      "PROXY_HEADER_TOO_LONG",
      "too long, or too many were incomplete at once",
    ],
  ])("is closed, counted and explained: %s", async (_, bytes, errno, meaning) => {
    const { server, clients } = await proxiedServer();
    const client = await sending(server, bytes);
    await until("the end", () => client.hasEnded());
    expect(client.received().length).toBe(0);
    const result = await failedIn(server, 1);
    expect(result).toMatchObject({ accepted: 1, ready: 0, failures: [{ phase: "proxy", errno, count: 1 }] });
    expect(result.diagnosis.finding).toMatchObject({ limit: "proxy-protocol", whose: "peer" });
    expect(result.diagnosis.finding?.meaning).toContain(meaning);
    expect(clients).toEqual([]);
  });

  it.each([
    ["nothing", undefined],
    ["half a header", V1.slice(0, 20)],
  ])("is closed after the handshake timeout if it sends %s", async (_, bytes) => {
    const { server } = await proxiedServer({ handshakeTimeoutMs: 200 });
    const client = await (bytes === undefined ? connectForeign(server.address) : sending(server, bytes));
    await until("the end", () => client.hasEnded());
    const result = await failedIn(server, 1);
    expect(result.failures).toEqual([{ phase: "proxy", errno: "ETIMEDOUT", count: 1 }]);
    expect(result.diagnosis.finding).toMatchObject({ limit: "proxy-protocol" });
  });

  it("is only noted if it ends before, as health checks do", async () => {
    const { server } = await proxiedServer();
    const clients = [await connectForeign(server.address), await sending(server, V1.slice(0, 9))];
    await until("both are accepted", () => server.snapshot().accepted === 2);
    clients[0]!.socket.end();
    clients[1]!.socket.resetAndDestroy();
    const { failures, diagnosis } = await failedIn(server, 2);
    expect(failures.map(({ phase }) => phase)).toEqual(["proxy", "proxy"]);
    expect(failures.map(({ errno }) => errno).sort()).toEqual(["ECONNRESET", "FIN"]);
    expect(diagnosis).toMatchObject({ outcome: "met", finding: undefined });
    expect(diagnosis.notes[0]).toContain("2 connections ended before the PROXY protocol header");
  });

  it("does not get its time for TLS by sending half a handshake", async () => {
    const { server } = await proxiedServer({ at: `tls://${ownAddress()}:0`, handshakeTimeoutMs: 200 });
    const client = await sending(server, V1, "\x16\x03\x01");
    await until("the end", () => client.hasEnded());
    expect((await failedIn(server, 1)).failures).toEqual([{ phase: "tls", errno: "ETIMEDOUT", count: 1 }]);
  });
});

describe("an unexpected header", () => {
  it.each(["", "tls://", "ws://", "http://", "mqtt://"])("is named by the diagnosis: %s", async (scheme) => {
    for (const header of [V1, V2]) {
      const server = await startServer({ at: `${scheme}${ownAddress()}:0`, mode: "discard" });
      await sending(server, header);
      const counted = () => {
        const { unexpectedProxyHeaders, closed } = server.snapshot();
        return unexpectedProxyHeaders + (scheme === "tls://" ? closed : 0);
      };
      await until("it is counted", counted, (count) => count === 1);
      const { diagnosis } = await within("the end", server.stop());
      expect(diagnosis.finding).toMatchObject({ limit: "proxy-protocol", whose: "local" });
      expect(diagnosis.finding?.fix).toContain("--proxy-protocol");
    }
  });

  it.each([
    ["", false],
    ["tls://", false],
    ["", true],
  ] as const)(
    "is looked for in a connection's first bytes only: %s, --proxy-protocol %s",
    async (scheme, isProxied) => {
      const server = await startServer({
        at: `${scheme}${ownAddress()}:0`,
        mode: "echo",
        proxyProtocol: isProxied || undefined,
      });
      /** Sends each piece after the echo of the one before. */
      const echoed = async (...pieces: string[]) => {
        const { ip, port } = server.address;
        const socket = scheme === "" ? connect(port, ip) : connectTls({ host: ip, port, rejectUnauthorized: false });
        onTestFinished(() => void socket.destroy());
        await once(socket, scheme === "" ? "connect" : "secureConnect");
        if (isProxied) socket.write(V1);
        for (const piece of pieces) {
          socket.write(piece);
          await within("the echo", once(socket, "data"));
        }
        socket.end();
        await within("the end", once(socket, "close"));
      };
      await echoed("hello", "PROXY ping", "PROXY ping");
      await echoed("PROXY ping", "PROXY ping", "PROXY ping");
      // It may use the same slot.
      await echoed("PROXY ping");
      const { unexpectedProxyHeaders } = await within("the result", server.stop());
      expect(unexpectedProxyHeaders).toBe(2);
    },
  );

  it("is named as a second one by a server that expects one", async () => {
    const { server } = await proxiedServer({ mode: "discard" });
    await sending(server, V1 + V1);
    await until("it is counted", () => server.snapshot().unexpectedProxyHeaders === 1);
    const { diagnosis } = await within("the end", server.stop());
    expect(diagnosis.finding?.meaning).toContain("second PROXY protocol header");
  });
});

describe("foreign senders", () => {
  it.runIf(hasProgram("haproxy")).each([
    ["send-proxy", "v1", ""],
    ["send-proxy-v2", "v2", "tls://"],
  ])("haproxy's %s names its clients, and its health checks name none", async (option, version, scheme) => {
    const { server, clients } = await proxiedServer({ at: `${scheme}${ownAddress()}:0`, mode: "echo" });
    const [ip, port] = [ownAddress(), ownPort()];
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "haproxy.cfg");
    writeFileSync(
      file,
      `defaults
  mode tcp
  timeout client 1h
  timeout server 1h
  timeout connect 5s
listen front
  bind ${ip}:${port}
  server back ${endpoint(server.address)} ${option} check inter 50ms
`,
    );
    start("haproxy", ["-db", "-f", file]);
    await until("haproxy listens", () => listeningAt({ ip, port }) === 1);
    const to = `${scheme}${ip}:${port}`;
    const insecure = scheme === "" ? {} : { insecure: true };
    const message = { message: "ping", messageRatePerSec: 50 };
    const run = await startClient({ to, connections: 30, ...message, ...insecure, ...HOLD });
    await until(
      "answers",
      () => run.snapshot().answeredMessages,
      (count) => count >= 60,
    );
    // In version 1, it gives its own address.
    const behind = await until(
      "a health check",
      () => server.snapshot(),
      (now) => (version === "v1" ? now.proxyV1 > 30 : now.proxyWithoutClient > 0),
    );
    expect(behind[version === "v1" ? "proxyV1" : "proxyV2"]).toBeGreaterThan(30);
    expect(await run.stop()).toMatchObject({ outcome: "met", lost: 0 });
    await until(
      "the names",
      () => clients.length,
      (length) => length > 30,
    );
    const { failures } = await within("the end", server.stop());
    expect(failures.filter(({ errno }) => errno.includes("PROXY"))).toEqual([]);
  });

  it.runIf(hasProgram("curl"))("curl's --haproxy-protocol is answered", async () => {
    const { server, clients, named } = await proxiedServer({ at: `http://${ownAddress()}:0` });
    const url = `http://${endpoint(server.address)}/`;
    const curl = start("curl", ["-sS", "--haproxy-protocol", "-w", " %{http_code} %{local_port}", url]);
    const { stdout } = await curl.exited();
    expect(stdout).toContain(" 200 ");
    await named(1);
    expect(clients).toEqual([{ ip: expect.any(String), port: Number(stdout.split(" ").at(-1)) }]);
    // Without the option, the header is refused.
    expect((await start("curl", ["-sS", url]).exited()).code).not.toBe(0);
  });
});
