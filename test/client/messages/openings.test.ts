// Tests the command line against real servers of line protocols for which there is no dedicated client.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ownAddress, ownPort } from "../../support/address.js";
import { listeningAt } from "../../support/kernel.js";
import { startForeignServer } from "../../support/peers.js";
import { hasProgram, resultOf, runCli, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

async function connect(to: string, ...args: string[]) {
  const run = await runCli(["connect", to, "-c", "20", "-T", "500ms", "-r", "20", "--json", ...args]);
  return { ...run, result: resultOf(run.stdout) };
}

function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe.runIf(hasProgram("redis-server"))("redis with a password", () => {
  const [ip, port] = [ownAddress(), ownPort()];
  const startRedis = async () => {
    const options = ["--save", "", "--dir", ownFolder(), "--requirepass", "secret", "--bind", ip, "--port", `${port}`];
    start("redis-server", options);
    await until("redis listens", () => listeningAt({ ip, port }) === 1);
  };

  it("answers every message on connections that authenticate first", async () => {
    await startRedis();
    const first = ["--first-message", "AUTH secret\\r\\n"];
    const { code, result } = await connect(`${ip}:${port}`, ...first, "-m", "PING\\r\\n", "--expect-until", "\\n");
    expect(result).toMatchObject({
      outcome: "met",
      ready: 20,
      failed: 0,
      messages: { expected: "until", wrongBytes: 0, unsolicitedBytes: 0, unanswered: 0 },
      latency: { handshake: { count: 20 } },
    });
    const { messages, traffic } = result;
    expect(messages!.answered).toBe(messages!.sent);
    expect(traffic.receivedBytes).toBe("+OK\r\n".length * 20 + "+PONG\r\n".length * messages!.sent);
    expect(code).toBe(0);
  });
});

it("messages carry each connection's own number, whichever thread opened it", async () => {
  const texts = new Set<string>();
  const server = await startForeignServer((socket) => {
    socket.on("data", (data) => {
      for (const line of data.toString().trim().split("\n")) texts.add(line);
      socket.write(data);
    });
  });
  const { code, result } = await connect(server.at, "--first-message", "I am %i\\n", "-m", "%i of %%i\\n");
  expect(result).toMatchObject({ outcome: "met", ready: 20, messages: { wrongBytes: 0, unsolicitedBytes: 0 } });
  const numbers = Array.from({ length: 20 }, (_, n) => n + 1);
  expect(texts).toEqual(new Set(numbers.flatMap((n) => [`I am ${n}`, `${n} of %i`])));
  expect(code).toBe(0);
});

it("SMTP's greeting precedes the first command and is not its answer", async () => {
  const orders: string[] = [];
  const server = await startForeignServer((socket) => {
    const timer = setTimeout(() => socket.write("220 mail ready\r\n"), 50);
    socket.on("close", () => clearTimeout(timer));
    socket.on("data", (data) => {
      if (orders.length === 0) orders.push(data.toString());
      for (const line of data.toString().trim().split("\r\n")) {
        socket.write(line === "NOOP" ? "250 OK\r\n" : "250-mail\r\n250 HELP\r\n");
      }
    });
  });
  const args = ["--await-greeting", "--first-message", "EHLO me\\r\\n", "-m", "NOOP\\r\\n", "--expect-until", "\\n"];
  const { result } = await connect(server.at, ...args);
  expect(orders).toEqual(["EHLO me\r\n"]);
  expect(result).toMatchObject({ ready: 20, messages: { unanswered: 0 } });
  expect(result.latency.handshake!.minUs).toBeGreaterThan(10_000);
});

it("a server's greeting may contain escapes and any bytes", async () => {
  const ip = ownAddress();
  const server = startCli(["serve", `${ip}:0`, "--greeting", "220 hi\\r\\n\\xff"]);
  const [, port] = await server.prints(/^listening on [\d.]+:(\d+)$/m);
  const socket = createConnection(Number(port), ip);
  onTestFinished(() => void socket.destroy());
  const [received] = await once(socket, "data");
  expect(received).toEqual(Buffer.from("220 hi\r\n\xff", "latin1"));
});

it("answers of a fixed length are counted by bytes, and a file is sent unchanged", async () => {
  const server = await startForeignServer((socket) => {
    socket.on("data", (data) => {
      for (const byte of data) if (byte === 0xff) socket.write(Buffer.from([1, 2, 3]));
    });
  });
  const file = join(ownFolder(), "message");
  writeFileSync(file, Buffer.from([0, 10, 0x5c, 0xff]));
  const { result } = await connect(server.at, "--message-file", file, "--expect-bytes", "3");
  const { messages, traffic } = result;
  expect(messages).toMatchObject({ expected: "bytes", bytes: 4, unanswered: 0 });
  expect(traffic.receivedBytes).toBe(3 * messages!.sent);
});

it.each([
  ["--expect-until", "\\n", "no answer reached the text of --expect-until"],
  ["--expect-bytes", "4", "no answer reached the number of bytes of --expect-bytes"],
])("answers that never end as %s says are told from missing ones", async (option, end, meaning) => {
  const server = await startForeignServer((socket) => socket.once("data", () => socket.write("+OK")));
  const { result, code } = await connect(server.at, "-m", "PING\\r\\n", option, end);
  expect(result.messages).toMatchObject({ answered: 0 });
  expect(result.diagnosis.finding).toMatchObject({
    limit: "messages",
    whose: "peer",
    meaning: expect.stringContaining(meaning),
    evidence: expect.arrayContaining(["60 B of answers arrived"]),
  });
  expect(code).toBe(1);
});

it("a message has the requested size", async () => {
  const server = await startForeignServer((socket) => socket.pipe(socket));
  const { result } = await connect(server.at, "-m", "abc", "--message-size", "1KiB");
  expect(result.messages).toMatchObject({ expected: "echo", bytes: 1024, unanswered: 0, wrongBytes: 0 });
});

describe("a silent server", () => {
  it.each([
    ["greeting", ["--await-greeting"], "does not greet in time"],
    ["first-message", ["--first-message", "x", "--expect", "any"], "does not answer the first message in time"],
  ])("fails the connections in step %s", async (phase, args, meaning) => {
    const server = await startForeignServer(() => {});
    const { result, code } = await connect(server.at, ...args, "-m", "x", "--handshake-timeout", "300ms");
    expect(result).toMatchObject({ outcome: "missed", established: 20, ready: 0, failed: 20 });
    expect(result.failures).toEqual([expect.objectContaining({ phase, errno: "ETIMEDOUT", count: 20 })]);
    expect(result.diagnosis?.finding?.meaning).toContain(meaning);
    expect(code).toBe(1);
  });

  it.each([
    ["greeting", ["--await-greeting"]],
    ["first-message", ["--first-message", "x", "--expect-until", "\\n"]],
  ])("or one that closes fails them too, in step %s", async (phase, args) => {
    const server = await startForeignServer((socket) => socket.end());
    const { result } = await connect(server.at, ...args, "-m", "x");
    expect(result.failed).toBe(20);
    for (const failure of result.failures) expect(failure).toMatchObject({ phase });
    expect(result.failures).not.toHaveLength(0);
    expect(result.diagnosis?.finding?.meaning).toMatch(/closes/);
  });
});

describe("options", () => {
  const mistakes: [string, string[], RegExp][] = [
    ["two messages", ["-m", "a", "--message-file", "b"], /--message and --message-file cannot/],
    ["a missing file", ["--message-file", "/nonexistent/b"], /cannot be read: ENOENT/],
    ["an empty file", ["--message-file", "/dev/null"], /the message is empty/],
    ["an unknown escape", ["-m", "a\\q"], /unknown escape sequence/],
    ["two kinds of answers", ["-m", "a", "--expect", "any", "--expect-bytes", "3"], /only one kind of answer/],
    ["an empty delimiter", ["-m", "a", "--expect-until", ""], /invalid answer delimiter/],
    ["answers of 0 bytes", ["-m", "a", "--expect-bytes", "0"], /invalid answer length: 0/],
    ["a message of 0 bytes", ["--message-size", "0"], /invalid message size/],
    ["an expected answer without a message", ["--expect-bytes", "3"], /an expected answer requires a message/],
    ["an empty first message", ["--first-message", ""], /first message is empty/],
    [
      "closing after the greeting",
      ["--await-greeting", "--close-after-greeting"],
      /cannot be combined with --first-message/,
    ],
  ];
  it.each(mistakes)("%s", async (_, args, message) => {
    const { code, stderr } = await runCli(["connect", ":1", ...args]);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it.each([
    ["--first-message", "x"],
    ["--await-greeting"],
    ["-m", "x", "--expect-until", "x"],
    ["-m", "x", "--expect-bytes", "3"],
  ])("for byte streams are rejected for WebSocket: %s", async (...args) => {
    const { code, stderr } = await runCli(["connect", "ws://:1", ...args]);
    expect(stderr).toMatch(/requires plain TCP or TLS/);
    expect(code).toBe(2);
  });
});
