// Tests a run's message results with real servers that do not simply echo.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { explainRun } from "../../../src/diagnosis/explain.js";
import type { ConnectOptions, ConnectSnapshot } from "../../../src/index.js";
import { endpoint, ownAddress, ownPort } from "../../support/address.js";
import { listeningAt } from "../../support/kernel.js";
import { startClient, startForeignServer, startForeignServerProcess, startServer } from "../../support/peers.js";
import { hasProgram, resultOf, runCli, start, startCli } from "../../support/process.js";
import { until, within } from "../../support/until.js";

const MESSAGES = { connections: 5, message: "ping", messageRatePerSec: 20 };
/**
 * More than the second before the end of the hold at which the accept queue is sampled. In a shorter hold, it is sampled
 * at once, when a server in this process may not have accepted everything yet.
 */
const HOLD_MS = 1600;

/** Runs messages to the normal end of the run. */
async function play(options: ConnectOptions) {
  const run = await startClient({ ...MESSAGES, durationMs: HOLD_MS, ...options });
  return within("the end", run.done);
}

describe("messages without answers", () => {
  it("miss the target, with their share, and set the percentiles: the server's program was stopped", async () => {
    const host = ownAddress();
    const server = await startForeignServerProcess({ host, echo: true });
    const run = await startClient({
      to: `${host}:${server.port}`,
      connections: 10,
      message: "ping",
      messageRatePerSec: 20,
      durationMs: 2500,
    });
    await until(
      "100 answers",
      () => run.snapshot().answeredMessages,
      (count) => count >= 100,
    );
    server.child.kill("SIGSTOP");
    const result = await within("the end", run.done);
    server.child.kill("SIGCONT");
    const { sent, answered, unanswered, due, missed, youngestUnansweredUs } = result.messages!;
    expect(result.outcome).toBe("missed");
    expect(result.misses).toEqual([{ kind: "unanswered", count: unanswered, of: sent }]);
    expect([due, sent, missed]).toEqual([sent, answered + unanswered, 0]);
    expect(unanswered).toBeGreaterThan(100);
    // More than a tenth have waited at least a second, the time of the drain.
    expect(result.latency.roundTrip.count).toBe(due);
    expect(result.latency.roundTrip.p90Us).toBeGreaterThan(800_000);
    expect(youngestUnansweredUs).toBeGreaterThan(800_000);
    const { finding } = explainRun(result);
    expect(finding).toMatchObject({ limit: "messages", whose: "peer" });
    expect(finding!.meaning).toContain(`the server is stopped: `);
    expect(finding!.meaning).toContain(`(process ${server.child.pid}) answers nothing`);
  });

  it("meet the target if none are expected, and the run ends without waiting", async () => {
    const server = await startServer({ mode: "discard" });
    const missed = await play({ to: endpoint(server.address) });
    expect(missed).toMatchObject({ outcome: "missed", misses: [{ kind: "unanswered" }], messages: { answered: 0 } });
    expect(explainRun(missed).finding!.fix).toContain("--expect none");
    const met = await play({ to: endpoint(server.address), expect: "none" });
    expect(met).toMatchObject({ outcome: "met", misses: [], messages: { expected: "none", unanswered: 0, missed: 0 } });
    expect(met.messages!.sent).toBeGreaterThan(40);
    expect(met.latency.roundTrip.count).toBe(0);
  });

  it("are waited for at most a second, even if they trickle in, and the progress says so", async () => {
    const server = await startForeignServer((socket) => {
      let owed = 0;
      socket.on("data", (data) => {
        owed += data.length;
      });
      const timer = setInterval(() => owed > 0 && socket.write("ping"), 100);
      socket.on("close", () => clearInterval(timer));
    });
    const run = await startClient({ to: server.at, ...MESSAGES, messageRatePerSec: 200, durationMs: HOLD_MS });
    const stages: ConnectSnapshot["stage"][] = [];
    for await (const { stage } of run.snapshots(50)) stages.push(stage);
    const { closeMs, misses } = await run.done;
    expect(stages).toContain("drain");
    expect(closeMs).toBeGreaterThan(800);
    expect(closeMs).toBeLessThan(4000);
    expect(misses.map(({ kind }) => kind)).toEqual(["unanswered"]);
  });

  it("are no failure if all answers take the same time, longer than the final wait", async () => {
    const server = await startForeignServer((socket) => {
      socket.on("data", (data) => setTimeout(() => socket.write(data), 1500));
    });
    const result = await play({ to: server.at, messageRatePerSec: 10, durationMs: 2500 });
    const { sent, answered, inFlight, unanswered } = result.messages!;
    expect(unanswered).toBe(0);
    expect(inFlight).toBeGreaterThan(0);
    expect(answered + inFlight).toBe(sent);
    expect(result.outcome).toBe("met");
    expect(result.latency.roundTrip.count).toBe(answered);
    expect(result.latency.roundTrip.minUs).toBeGreaterThan(1_450_000);
  });
});

describe("an answer", () => {
  it.runIf(hasProgram("redis-server"))(
    "is the same bytes, or any bytes on request: redis answers PING with +PONG",
    async () => {
      const [ip, port, folder] = [ownAddress(), ownPort(), ownFolder()];
      const options = ["--save", "", "--dir", folder, "--protected-mode", "no", "--bind", ip, "--port", String(port)];
      start("redis-server", options);
      await until("redis listens", () => listeningAt({ ip, port }) === 1);
      const to = `${ip}:${port}`;
      const echo = await play({ to, message: "PING\r\n" });
      expect(echo).toMatchObject({
        outcome: "missed",
        messages: { expected: "echo", answered: 0, unsolicitedBytes: 0 },
      });
      expect(echo.messages!.wrongBytes).toBe(7 * echo.messages!.sent);
      expect(explainRun(echo).finding!.fix).toContain("--expect any");
      const any = await play({ to, message: "PING\r\n", expect: "any" });
      expect(any).toMatchObject({ outcome: "met", messages: { expected: "any", wrongBytes: 0 } });
      expect(any.messages!.answered).toBe(any.messages!.sent);
      expect(any.latency.roundTrip.count).toBe(any.messages!.sent);
    },
  );

  it.runIf(hasProgram("nginx"))("can be any bytes: nginx answers requests", async () => {
    const [ip, port, folder] = [ownAddress(), ownPort(), ownFolder()];
    const file = join(folder, "nginx.conf");
    writeFileSync(
      file,
      `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log; events {}
http { access_log off; server { listen ${ip}:${port}; return 200 "yes"; } }`,
    );
    start("nginx", ["-p", folder, "-c", file]);
    await until("nginx listens", () => listeningAt({ ip, port }) === 1);
    const message = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const result = await play({ to: `${ip}:${port}`, message, expect: "any" });
    expect(result).toMatchObject({ outcome: "met", messages: { unanswered: 0, inFlight: 0 } });
    expect(result.messages!.answered).toBeGreaterThan(40);
  });

  it("is the whole message: a server that echoes byte by byte has begun to answer, and is not called silent", async () => {
    const server = await startForeignServer((socket) => {
      const timer = setInterval(() => socket.write("p"), 100).unref();
      socket.on("close", () => clearInterval(timer)).resume();
    });
    const result = await play({ to: server.at, message: "p".repeat(100), messageRatePerSec: 1 });
    expect(result).toMatchObject({ outcome: "missed", messages: { answered: 0, wrongBytes: 0 } });
    const { meaning, evidence } = explainRun(result).finding!;
    expect(meaning).toContain("began answering");
    expect(evidence.join()).not.toContain("no bytes arrived");
  });

  it("is distinguished from pushed data: answers after 400 ms take 400 ms even if 5 bytes arrive every 20", async () => {
    const server = await startForeignServer((socket) => {
      const pushing = setInterval(() => socket.write("news!"), 20);
      socket.on("close", () => clearInterval(pushing));
      socket.on("data", (data) => setTimeout(() => socket.write(data), 400));
    });
    const { latency, messages, outcome } = await play({ to: server.at, messageRatePerSec: 5 });
    expect(outcome).toBe("met");
    expect(latency.roundTrip.minUs).toBeGreaterThan(390_000);
    expect(messages!.unsolicitedBytes).toBeGreaterThan(5 * 5 * 20);
    expect(messages!.wrongBytes).toBe(0);
  });

  it.each<[string, (data: Buffer) => Buffer]>([
    ["half of it", (data) => data.subarray(0, data.length / 2)],
    ["a hundred times as many bytes", (data) => Buffer.alloc(100 * data.length, "x")],
    ["a hundred echoes", (data) => Buffer.from(data.toString().repeat(100))],
    ["one byte changed", (data) => Buffer.from(data.toString().replaceAll("g", "G"))],
  ])("is compared to the last byte: %s does not count", async (_, answer) => {
    const server = await startForeignServer((socket) => {
      // Answer each message separately: several arrive at once if this process was delayed.
      socket.on("data", (data) => {
        for (let at = 0; at < data.length; at += 4) socket.write(answer(data.subarray(at, at + 4)));
      });
    });
    const { messages, misses } = await play({ to: server.at });
    // At most one answer in a hundred may arrive alone.
    expect(messages!.answered).toBeLessThanOrEqual(5);
    expect(misses[0]).toMatchObject({ kind: "unanswered", of: messages!.sent });
    expect(messages!.wrongBytes + messages!.unsolicitedBytes).toBeGreaterThan(messages!.sent);
  });
});

describe("due messages", () => {
  it("are sent on every connection in every interval, even while others are being opened", async () => {
    const server = await startServer({ mode: "echo" });
    const run = await startClient({
      to: endpoint(server.address),
      connections: 1000,
      connectRatePerSec: 1000,
      message: "ping",
      messageRatePerSec: 1,
      durationMs: 1050,
    });
    const { messages, traffic, outcome } = await within("the end", run.done);
    expect(outcome).toBe("met");
    // The hold lasts one interval, in which each connection sends once.
    expect(traffic.answeringConnections).toBe(1000);
    expect(messages).toMatchObject({ sent: messages!.due, answered: messages!.due, missed: 0, unanswered: 0 });
    expect(messages!.due).toBeGreaterThanOrEqual(1000);
    // During the ramp, half of them send on average.
    expect(messages!.due).toBeLessThan(3000);
  });

  it("are late by the time this program was suspended, and are not sent in a burst", async () => {
    let arrived = 0;
    const server = await startForeignServer((socket) => {
      socket.on("data", (data) => {
        arrived += data.length / 4;
        socket.write(data);
      });
    });
    const args = [server.at, "-c", "50", "-m", "ping", "-r", "10", "-T", "3s", "--json"];
    const client = startCli(["connect", ...args]);
    await until(
      "messages",
      () => arrived,
      (count) => count > 200,
    );
    client.child.kill("SIGSTOP");
    const stoppedMs = performance.now();
    await until(
      "a standstill of 1.5 s",
      () => performance.now() - stoppedMs,
      (ms) => ms > 1500,
    );
    const before = arrived;
    client.child.kill("SIGCONT");
    // Measure the elapsed time itself; a catch-up burst would be 750 messages.
    const fromMs = performance.now();
    await delay(100);
    const inMs = performance.now() - fromMs;
    expect(arrived - before).toBeLessThan(inMs / 2 + 250);
    const { code, stdout } = await client.exited();
    const { messages, latency, outcome } = resultOf(stdout);
    expect([code, outcome]).toEqual([0, "met"]);
    expect(messages.movedMs).toBeGreaterThan(1200);
    expect(messages).toMatchObject({ missed: 0, unanswered: 0, answered: messages.due });
    expect(messages.late).toBeGreaterThan(500);
    expect(latency.roundTrip.maxUs).toBeGreaterThan(1_200_000);
  });

  it("stay matched with their own answers after the peer has stalled midway", async () => {
    const message = "y".repeat(60) + "z".repeat(119_940);
    let stalls = true;
    const server = await startForeignServer((socket) => {
      socket.on("data", (data) => {
        const isReady = socket.write(data);
        if (!isReady) {
          socket.pause();
          socket.once("drain", () => socket.resume());
        }
      });
      setTimeout(() => {
        socket.pause();
        setTimeout(() => {
          stalls = false;
          socket.resume();
        }, 1500);
      }, 300);
    });
    const run = await startClient({ to: server.at, connections: 2, message, messageRatePerSec: 20, durationMs: 3000 });
    await until("the end of the stall", () => !stalls);
    // The outstanding answers arrive soon; only later ones are measured.
    await until(
      "no answer is owed",
      () => run.snapshot(),
      ({ dueMessages, answeredMessages }) => answeredMessages >= dueMessages - 4,
    );
    run.resetLatency();
    const { messages, latency, outcome } = await within("the end", run.done);
    expect(outcome).toBe("met");
    expect(messages).toMatchObject({ answered: messages!.due, missed: 0, wrongBytes: 0, unsolicitedBytes: 0 });
    expect(latency.roundTrip.count).toBeGreaterThan(10);
    // If the stall shifted the answers, each would take 1.5 s.
    expect(latency.roundTrip.p50Us).toBeLessThan(500_000);
  });
});

describe("thresholds", () => {
  it("decide the exit code, and the headline names what was exceeded", async () => {
    const server = await startServer({ mode: "echo" });
    const connect = (...options: string[]) =>
      runCli(["connect", endpoint(server.address), "-c", "20", "-T", "300ms", ...options]);
    const messages = ["-m", "ping", "-r", "50"];
    const loose = await connect(...messages, "--max-p99", "1h", "--min-rate", "0.001", "--max-failed", "0");
    expect({ code: loose.code, stdout: loose.stdout }).toMatchObject({ code: 0 });
    const slow = await connect(...messages, "--max-p99", "0.001ms");
    expect(slow.code).toBe(1);
    expect(slow.stdout).toMatch(/^target missed: .* p99 .* \(at most 1 µs allowed\)/);
    // Without messages, the threshold applies to connecting.
    expect((await connect("--max-p99", "0.001ms")).stdout).toMatch(/^target missed: .* p99 /);
    const rate = await connect("--min-rate", "1m");
    expect([rate.code, rate.stdout]).toEqual([
      1,
      expect.stringMatching(/connections\/s \(at least 1,000,000 required\)/),
    ]);
    for (const wrong of ["1.5", "101%", "-1", "x", "%"]) {
      expect(await connect("--max-failed", wrong)).toMatchObject({ code: 2 });
    }
  });

  it("tolerate as many failures as they allow, and no more", async () => {
    const server = await startServer({ maxConnections: 30 });
    const connect = async (maxFailed: number | string) => {
      const options = {
        to: endpoint(server.address),
        connections: 40,
        durationMs: Number.POSITIVE_INFINITY,
        maxFailed,
      };
      const run = await startClient(options);
      await until(
        "10 lost",
        () => run.snapshot().lost,
        (lost) => lost === 10,
      );
      const result = await run.stop();
      await until(
        "none left at the server",
        () => server.snapshot().open,
        (open) => open === 0,
      );
      return result;
    };
    expect(await connect("25%")).toMatchObject({ outcome: "met", lost: 10, thresholds: { maxFailed: 10 } });
    expect(await connect(9)).toMatchObject({
      outcome: "missed",
      misses: expect.arrayContaining([{ kind: "failures", count: 10, of: 9 }]),
    });
  });
});

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
