// Tests the server on real sockets. Clients are Node's `net` and `nc`; socket counts are checked with `ss`.
import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ServeOptions, ServeSnapshot } from "../../src/index.js";
import { endpoint, ownAddress, ownPort } from "../support/address.js";
import {
  countDescriptors,
  cpuSeconds,
  establishedAt,
  establishedInSs,
  listeningAt,
  socketDescriptors,
  untilAtRest,
} from "../support/kernel.js";
import { serve } from "../support/library.js";
import { connectForeign, startClient, startServer, startServerProcess, stopwatch } from "../support/peers.js";
import { hasProgram, start, startProgram } from "../support/process.js";
import { until, within } from "../support/until.js";

const MIB = 1024 ** 2;
const nodeFile = process.execPath;

describe("mode hello", () => {
  it("greets with exactly hello and holds the connection", async () => {
    const server = await startServer();
    const client = await connectForeign(server.address);
    expect((await client.receives(5)).toString()).toBe("hello");
    client.socket.write("anything");
    await until(
      "it read that",
      () => server.snapshot().receivedBytes,
      (bytes) => bytes === 8,
    );
    expect(client.received().toString()).toBe("hello");
    expect(client.hasEnded()).toBe(false);
    expect(establishedAt(server.address)).toBe(1);
    expect(server.snapshot()).toMatchObject({ accepted: 1, open: 1, peakOpen: 1, closed: 0, sentBytes: 5 });
  });

  it("sends a custom greeting byte for byte", async () => {
    const greeting = "220 grüße, wählen Sie…\r\n\0";
    const server = await startServer({ greeting });
    const client = await connectForeign(server.address);
    const bytes = Buffer.from(greeting);
    expect((await client.receives(bytes.length)).equals(bytes)).toBe(true);
  });

  it("sends a greeting larger than any buffer", async () => {
    const greeting = "0123456789abcdef".repeat(MIB / 2);
    const server = await startServer({ greeting, closeAfterGreeting: true });
    const client = await connectForeign(server.address);
    client.socket.pause();
    await until(
      "the server to be blocked",
      () => server.snapshot().sentBytes,
      (sent) => sent > 0,
    );
    client.socket.resume();
    await until("the end", () => client.hasEnded());
    expect(client.received().length).toBe(greeting.length);
    expect(client.received().toString() === greeting).toBe(true);
  });

  it("closes after hello on request, like the blog post's server", async () => {
    const server = await startServer({ closeAfterGreeting: true });
    const client = await connectForeign(server.address);
    await until("the end", () => client.hasEnded());
    expect(client.received().toString()).toBe("hello");
    await until(
      "all closed",
      () => server.snapshot(),
      ({ open, closed }) => open === 0 && closed === 1,
    );
  });

  it.skipIf(!hasProgram("nc"))("works with nc", async () => {
    const { ip, port } = await startServerProcess({ closeAfterGreeting: true });
    const nc = start("nc", [ip, String(port)]);
    expect(await nc.exited()).toMatchObject({ code: 0, stdout: "hello" });
  });

  it("works over IPv6", async () => {
    const server = await startServer({ at: "[::1]:0" });
    expect(server.address.ip).toBe("::1");
    const client = await connectForeign(server.address);
    expect((await client.receives(5)).toString()).toBe("hello");
  });

  it("listens on all IPv4 addresses on request", async () => {
    // Use a fixed port: while other tests' connections have ephemeral ports bound on single addresses, the kernel may
    // find none that is free on every address.
    const server = await startServer({ at: `0.0.0.0:${ownPort()}` });
    const client = await connectForeign({ ip: ownAddress(), port: server.address.port });
    expect((await client.receives(5)).toString()).toBe("hello");
  });
});

describe("mode echo", () => {
  it("echoes 8 MB of random bytes byte for byte to a client that reads slowly", async () => {
    const server = await startServer({ mode: "echo" });
    const client = await connectForeign(server.address);
    const data = randomBytes(8 * MIB);
    client.socket.pause();
    client.socket.write(data);
    // The data exceeds all buffers on the path: the server blocks and resumes later.
    await until(
      "the server to be blocked",
      () => server.snapshot().sentBytes,
      (sent) => sent > 64 * 1024,
    );
    let readMore = true;
    onTestFinished(() => {
      readMore = false;
    });
    client.socket.on("data", () => {
      client.socket.pause();
      setImmediate(() => readMore && client.socket.resume());
    });
    client.socket.resume();
    expect((await client.receives(data.length)).equals(data)).toBe(true);
    // The client may receive the last bytes before the server has counted them.
    await until(
      "all of it counted",
      () => server.snapshot(),
      ({ receivedBytes, sentBytes }) => receivedBytes === data.length && sentBytes === data.length,
    );
    expect(server.snapshot().open).toBe(1);
  });

  it("echoes everything to a client that has half-closed, then closes", async () => {
    const server = await startServer({ mode: "echo" });
    const client = await connectForeign(server.address);
    const data = randomBytes(MIB);
    client.socket.end(data);
    await until("the end", () => client.hasEnded());
    expect(client.received().equals(data)).toBe(true);
  });

  it("greets only on request", async () => {
    const server = await startServer({ mode: "echo" });
    const client = await connectForeign(server.address);
    client.socket.write("x");
    expect((await client.receives(1)).toString()).toBe("x");
  });

  it("serves many clients at once without mixing them up", async () => {
    const server = await startServer({ mode: "echo" });
    const clients = await Promise.all(Array.from({ length: 50 }, () => connectForeign(server.address)));
    const data = clients.map(() => randomBytes(20_000));
    for (const [n, client] of clients.entries()) client.socket.write(data[n]!);
    const answers = await Promise.all(clients.map((client) => client.receives(20_000)));
    expect(answers.every((answer, n) => answer.equals(data[n]!))).toBe(true);
  });

  it.skipIf(!hasProgram("nc"))("works with nc", async () => {
    const { ip, port } = await startServerProcess({ mode: "echo" });
    const nc = start("nc", ["-N", ip, String(port)], { input: "one\ntwo\n" });
    expect(await nc.exited()).toMatchObject({ code: 0, stdout: "one\ntwo\n" });
  });
});

describe("mode discard", () => {
  it("reads everything and sends nothing", async () => {
    const server = await startServer({ mode: "discard" });
    const client = await connectForeign(server.address);
    client.socket.write(randomBytes(MIB));
    await until(
      "all read",
      () => server.snapshot().receivedBytes,
      (bytes) => bytes === MIB,
    );
    expect(client.received().length).toBe(0);
    expect(server.snapshot()).toMatchObject({ sentBytes: 0, open: 1 });
  });
});

describe("connections", () => {
  it("above the maximum are closed at once, and there is room again when one ends", async () => {
    const at = await startServerProcess({ maxConnections: 3 });
    const held = await Promise.all([1, 2, 3].map(() => connectForeign(at)));
    for (const client of held) await client.receives(5);
    const fourth = await connectForeign(at);
    await until("the end of the fourth", () => fourth.hasEnded());
    expect(fourth.received().length).toBe(0);
    expect(await establishedInSs(at.port, at.ip)).toBe(3);
    held[0]!.socket.destroy();
    // The server notices the close a moment later; until then, a new connection may exceed the limit.
    const isTaken = async () => {
      const newcomer = await connectForeign(at);
      await until("an answer", () => newcomer.hasEnded() || newcomer.received().length === 5);
      return newcomer.received().toString() === "hello";
    };
    await until("room for one", isTaken);
    expect(await establishedInSs(at.port, at.ip)).toBe(3);
    at.process.child.kill("SIGTERM");
    const { stdout } = await at.process.exited();
    expect(JSON.parse(/result (.*)/.exec(stdout)![1]!)).toMatchObject({ peakOpen: 3, openAtStop: 3 });
  });

  it("are reported by their peers' addresses: the first ten", async () => {
    const server = await startServer();
    const told: string[] = [];
    server.on("connection", (peer) => told.push(endpoint(peer)));
    const clients = [];
    for (let n = 0; n < 15; n++) clients.push(await connectForeign(server.address));
    for (const client of clients) await client.receives(5);
    const local = clients.map(({ socket }) => `${socket.localAddress}:${socket.localPort}`);
    await until(
      "ten told of",
      () => told.length,
      (count) => count === 10,
    );
    expect(local).toEqual(expect.arrayContaining(told));
    expect(new Set(told).size).toBe(10);
  });

  it.each([
    ["all", 15],
    ["none", 0],
  ] as const)("are reported as requested: %s", async (log, count) => {
    const server = await startServer({ log });
    const told: string[] = [];
    server.on("connection", (peer) => told.push(endpoint(peer)));
    const clients = await Promise.all(Array.from({ length: 15 }, () => connectForeign(server.address)));
    for (const client of clients) await client.receives(5);
    await until(
      "all told of",
      () => told.length,
      (length) => length === count,
    );
  });

  it("of a killed client are all released", async () => {
    const { ip, port, process: server } = await startServerProcess({});
    const client = startProgram("library-client", { to: `${ip}:${port}`, connections: 500, durationMs: 60_000 });
    await until(
      "500 open",
      () => establishedInSs(port, ip),
      (count) => count === 500,
    );
    // Connections in the accept queue count as ESTABLISHED, too.
    await untilAtRest(server.pid);
    await client.kill("SIGKILL");
    await until(
      "none open",
      () => establishedInSs(port, ip),
      (count) => count === 0,
    );
    // The kernel removes the sockets before the server has processed each close.
    await untilAtRest(server.pid);
    server.child.kill("SIGTERM");
    const { stdout } = await server.exited();
    expect(JSON.parse(/result (.*)/.exec(stdout)![1]!)).toMatchObject({
      accepted: 500,
      peakOpen: 500,
      openAtStop: 0,
      failures: [],
    });
  });

  it("that are reset count as closed, not as failures", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 20, close: "rst", durationMs: 50 });
    await within("the client's end", run.done);
    // `open` is also 0 before the first accept.
    await until(
      "20 closed",
      () => server.snapshot(),
      ({ open, closed }) => open === 0 && closed === 20,
    );
    expect((await server.stop()).failures).toEqual([]);
  });
});

describe("stopping", () => {
  it("closes every connection and the port, and returns a summary", async () => {
    const server = await startServer();
    const { ip, port } = server.address;
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectForeign(server.address)));
    for (const client of clients) await client.receives(5);
    const [result, same] = await within("the end", Promise.all([server.stop(), server.stop()]));
    expect(same).toBe(result);
    expect(result).toMatchObject({
      kind: "serve",
      accepted: 20,
      peakOpen: 20,
      openAtStop: 20,
      kernel: { source: "sock_diag", sockets: 20 },
      rejected: 0,
      sentBytes: 100,
      failures: [],
    });
    for (const client of clients) await until("the end at the client", () => client.hasEnded());
    expect(listeningAt(server.address)).toBe(0);
    await expect(serve({ at: `${ip}:${port}` }).then((again) => again.stop())).resolves.toMatchObject({ accepted: 0 });
  });

  it("works through an AbortSignal", async () => {
    const ending = new AbortController();
    const server = await startServer({ signal: ending.signal });
    ending.abort();
    expect(await within("the end", server.done)).toMatchObject({ accepted: 0 });
    const early = await serve({ at: `${ownAddress()}:0`, signal: AbortSignal.abort() });
    expect(await within("the end", early.done)).toMatchObject({ accepted: 0 });
  });

  it("ends the snapshots", async () => {
    const server = await startServer();
    const seen: ServeSnapshot[] = [];
    for await (const snapshot of server.snapshots(20)) {
      seen.push(snapshot);
      if (seen.length === 3) server.stop().catch(() => undefined);
    }
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen.at(-1)).toMatchObject({ accepted: 0, open: 0, isPaused: false });
  });

  it("leaves no socket behind in this process after repeated runs", async () => {
    const before = socketDescriptors();
    for (let round = 0; round < 3; round++) {
      const server = await startServer();
      const run = await startClient({ to: endpoint(server.address), connections: 50, durationMs: 20 });
      await within("the client's end", run.done);
      await server.stop();
      expect(socketDescriptors()).toEqual(before);
    }
  });

  it("during start-up does not hang this process while it starts another program", async () => {
    const hanging = startProgram("spawn-while-starting", { rounds: 20 });
    expect(await hanging.exited(110_000)).toMatchObject({ code: 0, stdout: "done\n" });
  }, 120_000);

  it("frees the port even if another server of this process is running", async () => {
    const one = await startServer();
    const other = await startServer();
    await one.stop();
    expect(listeningAt(one.address)).toBe(0);
    await (await serve({ at: endpoint(one.address) })).stop();
    await other.stop();
  });

  it("keeps no copy of this process's sockets: closing one is visible to its peer", async () => {
    const first = await startServer();
    const client = await connectForeign(first.address);
    await client.receives(5);
    const other = await startServer();
    onTestFinished(async () => {
      await other.stop();
    });
    client.socket.destroy();
    await until(
      "the server to see the end",
      () => first.snapshot().open,
      (open) => open === 0,
    );
  });
});

describe("a full descriptor table", () => {
  it("neither ends the server nor makes it spin; it accepts again once there is room", async () => {
    const { ip, port, process: server } = await startServerProcess({}, { nofile: 80 });
    const clients = Array.from({ length: 2 }, () =>
      startProgram("library-client", { to: `${ip}:${port}`, connections: 1000, durationMs: 600_000 }),
    );
    await until(
      "2,000 connections",
      () => establishedInSs(port, ip),
      (count) => count === 2000,
    );
    expect(server.isRunning).toBe(true);

    // The server may still be sending greetings: connections in the accept queue count as ESTABLISHED, too.
    await untilAtRest(server.pid);
    // A server with idle clients uses no CPU, full or not.
    const [cpu, elapsed] = [cpuSeconds(server.pid), stopwatch()];
    await until("a second", elapsed, (ms) => ms > 1000);
    expect(cpuSeconds(server.pid) - cpu).toBeLessThan(0.1);

    for (const client of clients) await client.kill("SIGKILL");
    await until(
      "none left",
      () => establishedInSs(port, ip),
      (count) => count === 0,
    );
    const newcomer = await connectForeign({ ip, port });
    expect((await newcomer.receives(5)).toString()).toBe("hello");
    // The kernel removes the sockets before the server has processed each close.
    await untilAtRest(server.pid);
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.exited();
    expect(code).toBe(0);
    expect(JSON.parse(/result (.*)/.exec(stdout)![1]!)).toMatchObject({ nofileLimit: 80, openAtStop: 1 });
  });
});

describe("a full descriptor table without parking", () => {
  it("leaves the rest in the accept queue, without spinning, and accepts it once there is room", async () => {
    const {
      ip,
      port,
      process: server,
    } = await startServerProcess({ engine: "auto" }, { nofile: 400, refused: ["io_uring_setup", "unshare"] });
    const client = startProgram("library-client", { to: `${ip}:${port}`, connections: 1000, durationMs: 600_000 });
    await until(
      "1,000 connections, most of them in the accept queue",
      () => establishedInSs(port, ip),
      (count) => count === 1000,
    );
    await untilAtRest(server.pid);
    const [cpu, elapsed] = [cpuSeconds(server.pid), stopwatch()];
    await until("a second", elapsed, (ms) => ms > 1000);
    expect(cpuSeconds(server.pid) - cpu).toBeLessThan(0.1);

    await client.kill("SIGKILL");
    const newcomer = await connectForeign({ ip, port });
    expect((await newcomer.receives(5)).toString()).toBe("hello");
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.exited();
    expect(code).toBe(0);
    const { peakOpen } = JSON.parse(/result (.*)/.exec(stdout)![1]!);
    expect(peakOpen).toBeLessThan(1000);
  });
});

describe("an additional thread that cannot be started", () => {
  it("loses no connections: those that fit are held, the rest wait", async () => {
    // Without io_uring, the server starts a thread each time a descriptor table is full, until the main thread's own
    // table is full.
    const limits = { nofile: 80, refused: ["io_uring_setup"] } as const;
    const { ip, port, process: server } = await startServerProcess({ engine: "auto" }, limits);
    const client = startProgram("library-client", { to: `${ip}:${port}`, connections: 1000, durationMs: 600_000 });
    await until(
      "1,000 ESTABLISHED",
      () => establishedInSs(port, ip),
      (count) => count === 1000,
    );
    await untilAtRest(server.pid);
    expect(server.isRunning).toBe(true);
    await client.kill("SIGKILL");
    await until(
      "none left",
      () => establishedInSs(port, ip),
      (count) => count === 0,
    );
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.exited();
    expect(code).toBe(0);
    expect(JSON.parse(/result (.*)/.exec(stdout)![1]!).peakOpen).toBeGreaterThan(100);
  });
});

describe("serve() rejects", () => {
  const at = `${ownAddress()}:0`;
  const REFUSED: [string, ServeOptions, string][] = [
    ["an invalid address", { at: "nonsense" }, "E_ADDRESS"],
    ["port 65536", { at: "127.0.0.1:65536" }, "E_ADDRESS"],
    ["several ports", { at: "127.0.0.1:7777-7778" }, "E_ADDRESS"],
    ["an unknown host name", { at: "no.such.host.invalid:7777" }, "E_RESOLVE"],
    ["an address of another host", { at: "192.0.2.1:7777" }, "E_LISTEN"],
    ["an unknown mode", { at, mode: "shout" as "echo" }, "E_OPTION"],
    ["a backlog of 0", { at, backlog: 0 }, "E_OPTION"],
    ["a backlog beyond 31 bits", { at, backlog: 2 ** 31 }, "E_OPTION"],
    ["a maximum of 0 connections", { at, maxConnections: 0 }, "E_OPTION"],
    ["a fractional maximum", { at, maxConnections: 1.5 }, "E_OPTION"],
    ["an empty greeting to close after", { at, greeting: "", closeAfterGreeting: true }, "E_OPTION"],
  ];

  it.each(REFUSED)("%s", async (_, options, code) => {
    const before = countDescriptors();
    await expect(serve(options).then((server) => server.stop())).rejects.toMatchObject({
      code,
      name: "AppError",
      fix: expect.any(String),
    });
    expect(countDescriptors()).toBe(before);
  });

  it("a port in use, and says how to find its owner", async () => {
    const server = await startServer();
    const again = serve({ at: endpoint(server.address) });
    await expect(again).rejects.toMatchObject({
      code: "E_PORT_IN_USE",
      fix: expect.stringContaining(`sport = :${server.address.port}`),
    });
  });

  it.skipIf(process.getuid?.() !== 0)("a low port without privileges", async () => {
    const code = `import("${new URL("../../dist/index.js", import.meta.url).href}").then((m) => m.serve({ at: "${ownAddress()}:80" })).then(() => console.log("listens"), (e) => console.log(e.code))`;
    const unprivileged = start("setpriv", [
      "--reuid=65534",
      "--clear-groups",
      "--bounding-set=-all",
      nodeFile,
      "-e",
      code,
    ]);
    const { stdout } = await unprivileged.exited();
    expect(stdout.trim()).toBe("E_PERMISSION");
  });
});
