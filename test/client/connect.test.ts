// Tests the client on real sockets; its results are checked against `ss` and against what the peer saw.
import { closeSync, openSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectSnapshot } from "../../src/index.js";
import { endpoint, ownAddress, ownPort, ownPorts } from "../support/address.js";
import { establishedAt, establishedInSs, socketDescriptors, socketsInSs, untilAtRest } from "../support/kernel.js";
import { parseAddressRanges } from "../support/library.js";
import {
  startClient,
  startForeignServer,
  startForeignServerProcess,
  startServer,
  stopwatch,
} from "../support/peers.js";
import { resultOf, runCli, start, startProgram } from "../support/process.js";
import { until, within } from "../support/until.js";

/** Hold until stopped; the stop then counts as a normal end. */
const HOLD = { durationMs: Number.POSITIVE_INFINITY };

describe("one connection", () => {
  it("reports its own address and what it reads, and ends when the server does", async () => {
    const peers: { ip: string; port: number }[] = [];
    const server = await startForeignServer((socket) => {
      peers.push({ ip: socket.remoteAddress!, port: socket.remotePort! });
      socket.end("hello");
    });
    const told: unknown[] = [];
    const run = await startClient({ to: server.at });
    run.on("opened", (local) => told.push(local));
    run.on("received", (text) => told.push(text));
    const result = await within("the end", run.done);
    expect(told).toEqual([peers[0], "hello"]);
    expect(peers).toHaveLength(1);
    expect(result).toMatchObject({ isTargetMet: true, requested: 1, established: 1, failed: 0 });
    expect(result.traffic.receivedBytes).toBe(5);
  });

  it("reads 512 bytes at a time, like the blog post's client", async () => {
    const server = await startForeignServer((socket) => socket.end("x".repeat(1300)));
    const texts: string[] = [];
    const run = await startClient({ to: server.at });
    run.on("received", (text) => texts.push(text));
    await within("the end", run.done);
    expect(texts.join("")).toBe("x".repeat(1300));
    expect(Math.max(...texts.map((text) => text.length))).toBeLessThanOrEqual(512);
  });

  it("works over IPv6", async () => {
    const server = await startForeignServer((socket) => socket.end("hello"), "::1");
    const run = await startClient({ to: `[::1]:${server.port}` });
    const texts: string[] = [];
    run.on("received", (text) => texts.push(text));
    expect(await within("the end", run.done)).toMatchObject({ established: 1, destinations: [`[::1]:${server.port}`] });
    expect(texts.join("")).toBe("hello");
  });
});

describe("many connections", () => {
  it("are sampled from none, to all, to none", async () => {
    const server = await startServer();
    const run = await startClient({
      to: `${server.address.ip}:${server.address.port}`,
      connections: 500,
      // Slow enough for at least one sample during the ramp if this thread pauses for a while.
      connectRatePerSec: 200,
      durationMs: 300,
    });
    const { samples } = await within("the end", run.done);
    expect(samples[0]).toMatchObject({ open: 0, established: 0, failed: 0 });
    expect(samples.at(-1)).toMatchObject({ open: 0, established: 500, failed: 0 });
    expect(samples.some(({ open }) => open > 0 && open < 500)).toBe(true);
    expect(samples.filter(({ open }) => open === 500).length).toBeGreaterThanOrEqual(2);
    const times = samples.map(({ elapsedMs }) => elapsedMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it("are 2,000 in the kernel's table, and none afterwards", async () => {
    const host = ownAddress();
    const port = ownPort();
    const server = startProgram("library-server", { at: `${host}:${port}` });
    await server.prints(/listening/);
    const run = await startClient({ to: `${host}:${port}`, connections: 2000, ...HOLD });
    await until(
      "2,000 open",
      () => run.snapshot().open,
      (open) => open === 2000,
    );
    await until(
      "2,000 in ss",
      () => establishedInSs(port, host),
      (count) => count === 2000,
    );
    // The hold does not wait for the greetings of a slow server.
    await until(
      "2,000 greeted in the hold",
      () => run.snapshot(),
      ({ stage, greeted }) => stage === "hold" && greeted === 2000,
    );
    const result = await run.stop();
    expect(result).toMatchObject({
      isTargetMet: true,
      requested: 2000,
      established: 2000,
      peakOpen: 2000,
      failed: 0,
      lost: 0,
    });
    expect(result.kernel).toMatchObject({ source: "sock_diag", outgoing: 2000, incoming: 2000 });
    expect(result.latency.connect.count).toBe(2000);
    expect(result.latency.firstByte.count).toBe(2000);
    expect(result.traffic.receivedBytes).toBe(5 * 2000);
    await until(
      "none in ss",
      () => establishedInSs(port, host),
      (count) => count === 0,
    );
    // More than 1,000 connections are closed with RST.
    expect(await socketsInSs(`dport = :${port} and dst ${host}`, "time-wait")).toEqual([]);
    // The kernel removes the sockets before the server has processed each close.
    await untilAtRest(server.pid);
    server.child.kill("SIGTERM");
    const { stdout, code } = await server.exited();
    expect(code).toBe(0);
    expect(JSON.parse(/result (.*)/.exec(stdout)![1]!)).toMatchObject({
      accepted: 2000,
      peakOpen: 2000,
      openAtStop: 0,
      failures: [],
    });
  });

  it("are accepted and greeted by a foreign server", async () => {
    const host = ownAddress();
    const server = await startForeignServerProcess({ host, greeting: "welcome", logPeers: true });
    const run = await startClient({ to: `${host}:${server.port}`, connections: 300, ...HOLD });
    await until(
      "300 greeted",
      () => run.snapshot().greeted,
      (count) => count === 300,
    );
    await until(
      "300 in the table",
      () => establishedInSs(server.port, host),
      (count) => count === 300,
    );
    const result = await run.stop();
    expect(result).toMatchObject({ isTargetMet: true, established: 300 });
    expect(result.traffic.receivedBytes).toBe(300 * "welcome".length);
    const peers = [...server.stdout.matchAll(/peer (\S+ \d+)/g)].map((match) => match[1]);
    expect(new Set(peers).size).toBe(300);
  });

  it("are opened to ::1 over IPv6", async () => {
    const server = await startServer({ at: "[::1]:0" });
    const run = await startClient({ to: endpoint(server.address), connections: 200, ...HOLD });
    await until(
      "200 open",
      () => run.snapshot().open,
      (open) => open === 200,
    );
    // The server's end becomes ESTABLISHED with the last packet of the handshake, which may still be in flight.
    await until(
      "200 in the kernel's table",
      () => establishedAt(server.address),
      (count) => count === 200,
    );
    expect(await run.stop()).toMatchObject({ isTargetMet: true, established: 200, lost: 0 });
  });

  it("are spread evenly over a range of ports", async () => {
    const host = ownAddress();
    const { first } = ownPorts(3);
    const ports = [first, first + 1, first + 2];
    const server = startProgram("node-server", { host, ports });
    await server.prints(/ready/);
    const run = await startClient({ to: `${host}:${first}-${first + 2}`, connections: 301, ...HOLD });
    await until(
      "301 open",
      () => run.snapshot().open,
      (open) => open === 301,
    );
    // The server's ends become ESTABLISHED with the last packets of the handshakes, which may still be in flight.
    const counts = await until(
      "301 in ss",
      () => Promise.all(ports.map((port) => establishedInSs(port, host))),
      (each) => each.reduce((sum, count) => sum + count, 0) === 301,
    );
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect((await run.stop()).destinations).toEqual(ports.map((port) => `${host}:${port}`));
  });

  it("are counted in the kernel's table without clients that happen to use the server's port as source port", async () => {
    const [host, source, port] = [ownAddress(), ownAddress(), ownPort()];
    await startServer({ at: `${host}:${port}` });
    const run = await startClient({
      to: `${host}:${port}`,
      // The server's port is skipped.
      connections: 4,
      sources: parseAddressRanges(source),
      sourcePorts: { first: port - 2, last: port + 2 },
      durationMs: 200,
    });
    const { kernel, isTargetMet } = await within("the end", run.done);
    expect(isTargetMet).toBe(true);
    expect(kernel).toMatchObject({ outgoing: 4, incoming: 4 });
  });

  it("are counted in the kernel's table without another server's on the same port at another address", async () => {
    const port = ownPort();
    const [one, other] = [
      await startServer({ at: `${ownAddress()}:${port}` }),
      await startServer({ at: `${ownAddress()}:${port}` }),
    ];
    const stranger = await startClient({ to: endpoint(other.address), connections: 7, ...HOLD });
    await until(
      "7 open",
      () => stranger.snapshot().open,
      (open) => open === 7,
    );
    const run = await startClient({ to: endpoint(one.address), connections: 5, durationMs: 200 });
    expect((await within("the end", run.done)).kernel).toMatchObject({ outgoing: 5, incoming: 5 });
  });

  it("can go to several destinations of both families", async () => {
    const [v4, v6] = [await startServer(), await startServer({ at: "[::1]:0" })];
    const run = await startClient({ to: [endpoint(v4.address), endpoint(v6.address)], connections: 100, ...HOLD });
    await until(
      "100 open",
      () => run.snapshot().open,
      (open) => open === 100,
    );
    const result = await run.stop();
    expect(result).toMatchObject({ isTargetMet: true, established: 100 });
    expect(result.destinations).toHaveLength(2);
  });

  it("leave no socket behind in this process after repeated runs", async () => {
    const server = await startForeignServerProcess({ host: ownAddress(), greeting: "hello" });
    const host = /"host":"([^"]+)"/.exec(server.child.spawnargs.join(" "))![1]!;
    const before = socketDescriptors();
    for (let round = 0; round < 3; round++) {
      const run = await startClient({ to: `${host}:${server.port}`, connections: 100, ...HOLD });
      await until(
        "100 open",
        () => run.snapshot().open,
        (open) => open === 100,
      );
      await run.stop();
      expect(socketDescriptors()).toEqual(before);
    }
    await until(
      "none in ss",
      () => establishedInSs(server.port, host),
      (count) => count === 0,
    );
  });

  it("neither end the process nor fill its descriptor table after many runs", async () => {
    const program = startProgram("many-runs", { host: ownAddress(), rounds: 40 });
    const { code, signal, stdout, stderr } = await program.exited(120_000);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: undefined, stderr: "" });
    const [, first, last] = /descriptors (\d+) (\d+)/.exec(stdout)!;
    // Some may remain if one thread's event loop could not be told from another's.
    expect(Number(last) - Number(first)).toBeLessThan(40);
  }, 130_000);
});

describe("pace", () => {
  it("is exact: 200 connections at 400 per second take half a second", async () => {
    const server = await startServer();
    const elapsed = stopwatch();
    const run = await startClient({ to: endpoint(server.address), connections: 200, connectRatePerSec: 400, ...HOLD });
    await until(
      "all open",
      () => run.snapshot().open,
      (open) => open === 200,
    );
    expect(elapsed()).toBeGreaterThan(450);
    const { isTargetMet, rampMs } = await run.stop();
    expect(isTargetMet).toBe(true);
    // Excludes the start of the threads.
    expect(rampMs).toBeLessThan(5000);
  });

  it("follows stages up, level and down", async () => {
    const server = await startServer();
    const stages = [
      { durationMs: 300, target: 120 },
      // Long enough to be observed on a busy machine.
      { durationMs: 5000, target: 120 },
      { durationMs: 300, target: 30 },
    ];
    const run = await startClient({ to: endpoint(server.address), stages, ...HOLD });
    // Counts with ss, which filters in the kernel: reading the whole table in this thread, which paces the run, takes
    // seconds while another test has tens of thousands of sockets.
    const { ip, port } = server.address;
    const seen = async () => ({
      count: await establishedInSs(port, ip),
      client: run.snapshot(),
      server: server.snapshot(),
    });
    await until("the top in the kernel's table", seen, ({ count }) => count === 120);
    await until(
      "the hold",
      () => run.snapshot().stage,
      (stage) => stage === "hold",
    );
    await until("the end in the kernel's table", seen, ({ count }) => count === 30);
    expect(run.snapshot()).toMatchObject({ open: 30, wanted: 30, lost: 0, failed: 0 });
    expect(await run.stop()).toMatchObject({ requested: 120, established: 120, failed: 0, lost: 0 });
  });

  it("has a peak at both ends, which does not depend on what is open later", async () => {
    const server = await startServer();
    const stages = [
      { durationMs: 200, target: 60 },
      { durationMs: 800, target: 60 },
      { durationMs: 200, target: 10 },
      { durationMs: 800, target: 10 },
      { durationMs: 200, target: 15 },
    ];
    const run = await startClient({ to: endpoint(server.address), stages, durationMs: 500 });
    expect(await within("the end", run.done)).toMatchObject({ peakOpen: 60, openAtStop: 15 });
    await until("none at the server", () => server.snapshot().open === 0);
    expect(await server.stop()).toMatchObject({ peakOpen: 60, openAtStop: 0, accepted: 65 });
  });

  it("rises again after falling", async () => {
    const server = await startServer();
    const stages = [
      { durationMs: 200, target: 60 },
      { durationMs: 200, target: 10 },
      { durationMs: 200, target: 80 },
    ];
    const run = await startClient({ to: endpoint(server.address), stages, ...HOLD });
    await until(
      "the hold",
      () => run.snapshot().stage,
      (stage) => stage === "hold",
    );
    await until(
      "80 in the kernel's table",
      () => establishedAt(server.address),
      (count) => count === 80,
    );
    expect(await run.stop()).toMatchObject({ lost: 0, failed: 0 });
  });

  it("ends a ramp down to zero even if some connections have failed", async () => {
    const stages = [
      { durationMs: 100, target: 20 },
      // Long enough for the thread to start and all attempts to fail, even on a busy machine.
      { durationMs: 4000, target: 20 },
      { durationMs: 100, target: 0 },
    ];
    const run = await startClient({ to: `${ownAddress()}:9`, stages, durationMs: 10 });
    await until(
      "20 failures",
      () => run.snapshot().failed,
      (failed) => failed === 20,
    );
    expect(await within("the end of the run", run.done, 20_000)).toMatchObject({ established: 0 });
  });
});

describe("messages", () => {
  it("are echoed, counted and answered", async () => {
    const server = await startServer({ mode: "echo" });
    const run = await startClient({
      to: endpoint(server.address),
      connections: 50,
      message: "ping",
      messageRatePerSec: 20,
      ...HOLD,
    });
    await until(
      "1,000 answers",
      () => run.snapshot().answeredMessages,
      (count) => count >= 1000,
    );
    const { traffic, latency, isTargetMet } = await run.stop();
    expect(isTargetMet).toBe(true);
    // The run waited for answers to its last messages.
    expect([traffic.answeredMessages, traffic.answeringConnections]).toEqual([traffic.sentMessages, 50]);
    expect(traffic.sentBytes).toBe(traffic.sentMessages * 4);
    expect(latency.roundTrip.count).toBe(traffic.answeredMessages);
    expect(latency.roundTrip.p50Us).toBeGreaterThan(0);
    // The client may receive bytes before the server has counted them.
    await until(
      "the same bytes at the server",
      () => server.snapshot(),
      ({ receivedBytes, sentBytes }) => receivedBytes === traffic.sentBytes && sentBytes === traffic.sentBytes,
    );
  });

  it("are sent at the requested rate", async () => {
    const server = await startForeignServerProcess({ host: ownAddress(), echo: true, greeting: "hello" });
    const host = /"host":"([^"]+)"/.exec(server.child.spawnargs.join(" "))![1]!;
    const fromStart = stopwatch();
    const run = await startClient({
      to: `${host}:${server.port}`,
      connections: 20,
      message: "a message",
      messageRatePerSec: 10,
      ...HOLD,
    });
    await until(
      "the hold",
      () => run.snapshot().stage,
      (stage) => stage === "hold",
    );
    const fromHold = stopwatch();
    await until(
      "messages of two seconds",
      () => run.snapshot().sentMessages,
      (count) => count >= 400,
    );
    // Measured from the start: a delayed thread catches up, which looks too fast from any later time.
    expect(fromStart()).toBeGreaterThan(1500);
    expect(fromHold()).toBeLessThan(8000);
    expect((await run.stop()).failures).toEqual([]);
  });

  it("are spread over the whole interval", async () => {
    const arrivedMs: number[] = [];
    const server = await startForeignServer((socket) => socket.on("data", () => arrivedMs.push(performance.now())));
    const [connections, intervalMs] = [100, 1000];
    const run = await startClient({ to: server.at, connections, message: "x", messageRatePerSec: 1, ...HOLD });
    await until(
      "the second interval",
      () => arrivedMs.length,
      (count) => count >= connections,
    );
    const from = arrivedMs.length;
    const quarters = () => {
      const counts = [0, 0, 0, 0];
      for (const ms of arrivedMs.slice(from)) counts[Math.floor((ms % intervalMs) / (intervalMs / 4))]! += 1;
      return counts;
    };
    // Some messages arrive in each quarter of the interval. If the schedule had more turns than there are connections,
    // all would arrive in one quarter. They also arrive together while this process is delayed, so wait for as many
    // intervals as necessary.
    await until("some in each quarter", quarters, (counts) => Math.min(...counts) > connections / 10);
    await run.stop();
  });

  it("are sent and answered on kernels that wait in whole milliseconds", async () => {
    const server = await startServer({ mode: "echo" });
    const args = [endpoint(server.address), "-c", "20", "-m", "ping", "-r", "100", "-T", "1500ms", "--json"];
    const { code, stdout, stderr } = await runCli(["connect", ...args], { refused: ["epoll_pwait2"] });
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const { traffic } = resultOf(stdout);
    expect(traffic.answeredMessages).toBeGreaterThan(20 * 10);
    expect(traffic.answeredMessages).toBe(traffic.sentMessages);
  });

  it("can be answered in pieces", async () => {
    const server = await startForeignServer((socket) => {
      socket.setNoDelay(true).write("hel");
      socket.write("lo");
      socket.on("data", (data) => {
        for (const byte of data) socket.write(Buffer.of(byte));
      });
    });
    const run = await startClient({
      to: server.at,
      connections: 5,
      message: "0123456789",
      messageRatePerSec: 50,
      ...HOLD,
    });
    await until(
      "100 answers",
      () => run.snapshot().answeredMessages,
      (count) => count >= 100,
    );
    const { traffic } = await run.stop();
    expect([traffic.answeredMessages, traffic.answeringConnections]).toEqual([traffic.sentMessages, 5]);
  });

  it("in flight at the end are waited for, and no more are sent", async () => {
    const late = 400;
    const server = await startForeignServer((socket) => {
      socket.on("data", (data) => setTimeout(() => socket.write(data), late));
    });
    const run = await startClient({ to: server.at, connections: 5, message: "ping", messageRatePerSec: 50, ...HOLD });
    await until(
      "messages on their way",
      () => run.snapshot().sentMessages,
      (count) => count >= 50,
    );
    const { traffic, closeMs } = await run.stop();
    expect(traffic.answeredMessages).toBe(traffic.sentMessages);
    expect(closeMs).toBeGreaterThan(late / 2);
    expect(closeMs).toBeLessThan(9000);
  });

  it("are answered on all connections that count as answering", async () => {
    let accepted = 0;
    const server = await startForeignServer((socket) => {
      const answers = accepted++ % 2 === 0;
      socket.on("data", (data) => answers && socket.write(data));
    });
    const run = await startClient({ to: server.at, connections: 10, message: "ping", messageRatePerSec: 20, ...HOLD });
    await until(
      "200 messages",
      () => run.snapshot().sentMessages,
      (count) => count >= 200,
    );
    const { traffic } = await run.stop();
    expect(traffic.answeringConnections).toBe(5);
    expect(traffic.sentMessages - traffic.answeredMessages).toBeGreaterThanOrEqual(90);
  });

  it("on a lost connection are not waited for", async () => {
    const server = await startForeignServer((socket) => {
      let isFirst = true;
      socket.on("data", (data) => {
        // Several messages arrive at once if this process was delayed: answer only one.
        if (isFirst) socket.write(data.subarray(0, 4));
        else socket.destroy();
        isFirst = false;
      });
    });
    const closeOnce = async () => {
      const run = await startClient({ to: server.at, connections: 4, message: "ping", messageRatePerSec: 20, ...HOLD });
      const { traffic, lost, closeMs } = await within("the end", run.done);
      expect([lost, traffic.answeredMessages]).toEqual([4, 4]);
      expect(traffic.sentMessages).toBeGreaterThanOrEqual(8);
      return closeMs;
    };
    // Waiting for answers would take more than a second. A busy machine can take as long to end the threads, but not
    // every time.
    await until("an end without waiting", closeOnce, (closeMs) => closeMs < 900);
  });

  it("are reported unanswered by a silent server", async () => {
    const server = await startServer({ mode: "discard" });
    const run = await startClient({
      to: endpoint(server.address),
      connections: 10,
      message: "ping",
      messageRatePerSec: 50,
      ...HOLD,
    });
    await until(
      "bytes at the server",
      () => server.snapshot().receivedBytes,
      (bytes) => bytes >= 400,
    );
    expect(await run.stop()).toMatchObject({ traffic: { answeredMessages: 0, receivedBytes: 0 }, lost: 0 });
  });
});

describe("sources", () => {
  it("are the chosen addresses and ports, as seen by the peer", async () => {
    const [sourceA, sourceB] = [ownAddress(), ownAddress()];
    const ports = ownPorts(3);
    const { first, last } = ports;
    const seen: string[] = [];
    const server = await startForeignServer((socket) => seen.push(`${socket.remoteAddress}:${socket.remotePort}`));
    const run = await startClient({
      to: server.at,
      connections: 6,
      sources: parseAddressRanges(`${sourceA},${sourceB}`),
      sourcePorts: ports,
      ...HOLD,
    });
    await until(
      "6 at the peer",
      () => seen.length,
      (count) => count === 6,
    );
    const result = await run.stop();
    const wanted = [sourceA, sourceB].flatMap((ip) => [first, first + 1, last].map((port) => `${ip}:${port}`));
    expect(seen.sort()).toEqual(wanted.sort());
    expect(result.plan).toMatchObject({
      tuplesAvailable: 6,
      tuplesSkipped: 0,
      sourceAddresses: 2,
      sourcePorts: `${first}-${last}`,
    });
  });

  it("skip a port that another socket uses", async () => {
    const source = ownAddress();
    const taken = await startForeignServer(() => undefined, source);
    const seen: number[] = [];
    const server = await startForeignServer((socket) => seen.push(socket.remotePort!));
    const run = await startClient({
      to: server.at,
      // One more connection than there are ports, so that the run tries all of them wherever it starts.
      connections: 3,
      sources: parseAddressRanges(source),
      // The next port is the server's own, which is not used as a source port.
      sourcePorts: { first: taken.port, last: Math.min(65535, taken.port + 3) },
      ...HOLD,
    });
    await until(
      "2 open",
      () => run.snapshot().open,
      (open) => open === 2,
    );
    const result = await run.stop();
    expect(seen).not.toContain(taken.port);
    expect(result).toMatchObject({ established: 2, plan: { tuplesAvailable: 3, tuplesSkipped: 1 } });
  });

  it("end the run with the reason when they run out", async () => {
    const server = await startServer();
    const run = await startClient({
      to: endpoint(server.address),
      connections: 10,
      sources: parseAddressRanges(ownAddress()),
      sourcePorts: ownPorts(4),
      durationMs: 10,
    });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({
      isTargetMet: false,
      established: 4,
      failed: 6,
      failures: [{ phase: "bind", errno: "EADDRNOTAVAIL", count: 6 }],
    });
    expect(explainRun(result).finding).toMatchObject({ limit: "source-ports", whose: "local" });
  });

  it("can be chosen by the kernel", async () => {
    const source = ownAddress();
    const seen: string[] = [];
    const server = await startForeignServer((socket) => seen.push(socket.remoteAddress!));
    const run = await startClient({
      to: server.at,
      connections: 20,
      sources: parseAddressRanges(source),
      sourcePorts: "kernel",
      ...HOLD,
    });
    await until(
      "20 at the peer",
      () => seen.length,
      (count) => count === 20,
    );
    expect(new Set(seen)).toEqual(new Set([source]));
    expect((await run.stop()).plan.sourcePorts).toBe("kernel");
  });

  it("never connect a socket to itself", async () => {
    const [host, ports] = [ownAddress(), ownPorts(2)];
    const plan = async (sourcePorts: typeof ports) => {
      const to = `${host}:${ports.first}`;
      const sources = parseAddressRanges(host);
      const run = await startClient({ to, connections: 2, sources, sourcePorts, durationMs: 10 });
      const { established, plan } = await within("the end", run.done);
      return [established, plan.tuplesAvailable, plan.tuplesSkipped];
    };
    expect(await plan(ports)).toEqual([0, 1, 0]);
    expect(await plan({ first: ports.first, last: ports.first })).toEqual([0, 1, 1]);
  });
});

describe("trouble", () => {
  it("with a refusing port is counted and explained, and ends the run", async () => {
    const run = await startClient({ to: `${ownAddress()}:9`, connections: 25, ...HOLD });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({
      isTargetMet: false,
      established: 0,
      failed: 25,
      failures: [{ phase: "connect", errno: "ECONNREFUSED", count: 25 }],
    });
    const { outcome, finding } = explainRun(result);
    expect(outcome).toBe("limited");
    expect(finding).toMatchObject({ limit: "listener", whose: "peer" });
    expect(finding!.fix).toMatch(/start the server/);
  });

  it("with a silent destination ends at the timeout", async () => {
    const host = ownAddress();
    const { server, port } = await startStoppedListener(host);
    const run = await startClient({ to: `${host}:${port}`, connections: 40, connectTimeoutMs: 300, durationMs: 10 });
    const result = await within("the end", run.done);
    expect(result.failed).toBeGreaterThan(0);
    expect(result.failures).toEqual([{ phase: "connect", errno: "ETIMEDOUT", count: result.failed }]);
    // The requested timeout applies, not the default of 10 s.
    expect(result.rampMs).toBeLessThan(6000);
    expect(explainRun(result).finding).toMatchObject({ limit: "accept-queue", whose: "peer" });
    expect(server.isRunning).toBe(true);
  });

  it("with a server that closes everything during the hold: all are lost, and the run ends by itself", async () => {
    const host = ownAddress();
    const server = await startForeignServerProcess({ host, greeting: "hello" });
    const run = await startClient({ to: `${host}:${server.port}`, connections: 150, ...HOLD });
    // The server cannot close connections that it has not accepted.
    await until(
      "150 greeted in the hold",
      () => run.snapshot(),
      ({ stage, greeted }) => stage === "hold" && greeted === 150,
    );
    server.child.kill("SIGUSR2");
    const result = await within("the end", run.done);
    expect(result).toMatchObject({
      isTargetMet: false,
      established: 150,
      lost: 150,
      losses: [{ phase: "hold", errno: "FIN", count: 150 }],
    });
    expect(explainRun(result).finding!.meaning).toMatch(
      /closed all connections during the hold|the server exited during the hold/,
    );
  });

  it("with a server killed during the hold", async () => {
    const host = ownAddress();
    const server = await startForeignServerProcess({ host, greeting: "hello" });
    const run = await startClient({ to: `${host}:${server.port}`, connections: 150, ...HOLD });
    await until(
      "the hold",
      () => run.snapshot(),
      ({ stage, open }) => stage === "hold" && open === 150,
    );
    await server.kill();
    expect(await within("the end", run.done)).toMatchObject({ established: 150, lost: 150 });
  });

  it("with a server that resets connections is counted by errno, separately from those closed normally", async () => {
    const server = await startForeignServer();
    const run = await startClient({ to: server.at, connections: 30, ...HOLD });
    await until("30 at the server", () => server.sockets.size === 30);
    await until(
      "the hold",
      () => run.snapshot().stage,
      (stage) => stage === "hold",
    );
    for (const [n, socket] of [...server.sockets].entries()) n < 20 ? socket.resetAndDestroy() : socket.end();
    const { lost, losses } = await within("the end", run.done);
    expect(lost).toBe(30);
    expect(losses).toEqual([
      { phase: "hold", errno: "ECONNRESET", count: 20 },
      { phase: "hold", errno: "FIN", count: 10 },
    ]);
  });

  it("with a server's connection limit appears as losses", async () => {
    const server = await startServer({ maxConnections: 30 });
    const run = await startClient({ to: endpoint(server.address), connections: 40, ...HOLD });
    await until(
      "10 lost",
      () => run.snapshot().lost,
      (lost) => lost === 10,
    );
    await until(
      "30 at the server's end",
      () => establishedAt(server.address),
      (count) => count === 30,
    );
    expect(await run.stop()).toMatchObject({ isTargetMet: false, established: 40, lost: 10 });
  });
});

describe("the end", () => {
  it("comes after the hold", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 20, durationMs: 400 });
    const result = await within("the end", run.done);
    expect(result.isTargetMet).toBe(true);
    expect(result.holdMs).toBeGreaterThan(390);
    expect(result.holdMs).toBeLessThan(10_000);
    await until(
      "none in ss",
      () => establishedAt(server.address),
      (count) => count === 0,
    );
  });

  it("comes on an abort signal", async () => {
    const server = await startServer();
    const ending = new AbortController();
    const run = await startClient({ to: endpoint(server.address), connections: 20, signal: ending.signal, ...HOLD });
    await until(
      "20 open",
      () => run.snapshot().open,
      (open) => open === 20,
    );
    ending.abort();
    expect(await within("the end", run.done)).toMatchObject({ established: 20 });
    await until(
      "none in ss",
      () => establishedAt(server.address),
      (count) => count === 0,
    );
  });

  it("comes at once if the signal is already aborted", async () => {
    const server = await startServer();
    const run = await startClient({
      to: endpoint(server.address),
      connections: 20,
      signal: AbortSignal.abort(),
      ...HOLD,
    });
    expect(await within("the end", run.done)).toMatchObject({
      isTargetMet: false,
      evidence: { interrupted: true },
    });
  });

  it("has finite times if nothing was started", async () => {
    const server = await startServer();
    const run = await startClient({
      to: endpoint(server.address),
      connections: 20,
      signal: AbortSignal.abort(),
      ...HOLD,
    });
    const { setupMs, rampMs, ratePerSec } = await within("the end", run.done);
    expect([setupMs, rampMs, ratePerSec].every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
  });

  it("comes soon, except for closing, in the middle of a ramp; calling stop() twice has the effect of one call", async () => {
    // More than can be opened while this thread is delayed, so that the ramp is still running.
    const connections = 60_000;
    const server = startProgram("library-server", { at: `${ownAddress()}:0` });
    const port = Number((await server.prints(/listening (\d+)/))[1]);
    const host = /"at":"([^:]+):/.exec(server.child.spawnargs.join(" "))![1]!;
    // Source ports outside the ephemeral range and away from the ports that other tests count.
    const sourcePorts = { first: 1024, last: 19_999 };
    const run = await startClient({ to: `${host}:${port}`, connections, sourcePorts, ...HOLD });
    await until(
      "a ramp at work",
      () => run.snapshot(),
      ({ open, stage }) => open > 500 && stage === "ramp",
    );
    const elapsed = stopwatch();
    const [result, same] = await Promise.all([run.stop(), run.stop()]);
    // About 200 ms on an idle host; a ramp that continued to its end would show in `established`.
    expect(elapsed() - result.closeMs).toBeLessThan(5000);
    expect(same).toBe(result);
    expect(result.isTargetMet).toBe(false);
    expect(explainRun(result)).toMatchObject({ outcome: "stopped", finding: { limit: "stop" } });
    expect(result.established).toBeLessThan(connections);
    // Connections opened while the stop propagates are not closed twice.
    expect(result.openAtStop).toBe(result.established - result.lost);
    await until(
      "none in ss",
      () => establishedInSs(port, host),
      (count) => count === 0,
    );
  });

  it("comes for each connection once it is greeted, on request", async () => {
    const server = await startForeignServerProcess({ host: ownAddress(), echo: false, greeting: "hello" });
    const host = /"host":"([^"]+)"/.exec(server.child.spawnargs.join(" "))![1]!;
    const before = socketDescriptors();
    const run = await startClient({
      to: `${host}:${server.port}`,
      connections: 3000,
      concurrency: 32,
      closeAfterGreeting: true,
      // Away from the ports that other tests count.
      sourcePorts: { first: 10_000, last: 10_999 },
      sources: parseAddressRanges(ownAddress()),
      ...HOLD,
    });
    // With no open connections, there is no hold.
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ isTargetMet: true, established: 3000, failed: 0, lost: 0, openAtStop: 0 });
    expect(result.traffic.receivedBytes).toBe(3000 * "hello".length);
    expect(result.latency.firstByte.count).toBe(3000);
    expect(result.peakOpen).toBeLessThanOrEqual(32);
    const ends = `src ${host}:${server.port} or dst ${host}:${server.port}`;
    expect(await socketsInSs(ends, "time-wait")).toEqual([]);
    expect(socketDescriptors()).toEqual(before);
  });

  it("closes with FIN below 1,000, and with RST on request", async () => {
    const ends: string[] = [];
    const server = await startForeignServer((socket) => {
      socket.on("end", () => ends.push("FIN")).on("error", (error: NodeJS.ErrnoException) => ends.push(error.code!));
    });
    for (const [close, expected] of [
      [undefined, "FIN"],
      ["rst", "ECONNRESET"],
      ["fin", "FIN"],
    ] as const) {
      ends.length = 0;
      const run = await startClient({ to: server.at, connections: 5, close, ...HOLD });
      await until(
        "5 at the peer",
        () => server.sockets.size,
        (count) => count === 5,
      );
      await run.stop();
      await until(
        "5 ends",
        () => ends.length,
        (count) => count === 5,
      );
      expect(ends).toEqual(Array(5).fill(expected));
      await until(
        "none left",
        () => server.sockets.size,
        (count) => count === 0,
      );
    }
  });
});

describe("snapshots", () => {
  it("arrive at intervals, increase, and end with the run", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 50, durationMs: 2000 });
    const seen: ConnectSnapshot[] = [];
    for await (const snapshot of run.snapshots(50)) seen.push(snapshot);
    expect(seen.length).toBeGreaterThanOrEqual(4);
    for (let n = 1; n < seen.length; n++) {
      expect(seen[n]!.established).toBeGreaterThanOrEqual(seen[n - 1]!.established);
      expect(seen[n]!.elapsedMs).toBeGreaterThanOrEqual(seen[n - 1]!.elapsedMs);
    }
    expect(seen.at(-1)).toMatchObject({ requested: 50, established: 50, failed: 0 });
    expect(seen.some(({ stage, leftMs }) => stage === "hold" && leftMs !== undefined && leftMs > 0)).toBe(true);
    expect(await run.done).toMatchObject({ isTargetMet: true });
  });

  it("can be abandoned without ending the run early", async () => {
    const server = await startServer();
    const run = await startClient({ to: endpoint(server.address), connections: 5, ...HOLD });
    for await (const _ of run.snapshots(10)) break;
    await until(
      "5 open",
      () => run.snapshot().open,
      (open) => open === 5,
    );
    expect(await run.stop()).toMatchObject({ established: 5 });
  });
});

describe("a process with many open files", () => {
  it("still sends its messages", async () => {
    const fds = Array.from({ length: 400 }, () => openSync("/dev/null", "r"));
    onTestFinished(() => {
      for (const fd of fds) closeSync(fd);
    });
    const server = await startServer({ mode: "echo" });
    const run = await startClient({
      to: endpoint(server.address),
      connections: 10,
      message: "ping",
      messageRatePerSec: 20,
      ...HOLD,
    });
    await until(
      "100 answers",
      () => run.snapshot().answeredMessages,
      (count) => count >= 100,
    );
    await run.stop();
  });
});

/** Starts a listener with a short accept queue in a stopped process: the queue fills, then SYNs go unanswered. */
async function startStoppedListener(host: string) {
  const code = `const s = require("node:net").createServer(); s.listen({ host: "${host}", port: 0, backlog: 4 }, () => console.log("listening " + s.address().port));`;
  const server = start(process.execPath, ["-e", code]);
  const port = Number((await server.prints(/listening (\d+)/))[1]);
  server.child.kill("SIGSTOP");
  return { server, port };
}
