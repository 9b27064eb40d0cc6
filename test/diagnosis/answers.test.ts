// Tests the diagnosis of messages without an answer: a greeting is not an answer, whenever it arrives.
import { type AddressInfo, createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult } from "../../src/index.js";
import { diagnosisText } from "../../src/output/text/diagnosis.js";
import { endpoint } from "../support/address.js";
import { connect } from "../support/library.js";
import { startServer } from "../support/peers.js";
import { connectResult } from "../support/results.js";

const findingOf = (messages: Partial<NonNullable<ConnectResult["messages"]>>) =>
  explainRun(
    connectResult({
      failed: 0,
      misses: [{ kind: "unanswered", count: 5000, of: 5000 }],
      messages: {
        ...{ expected: "echo", bytes: 4, due: 5000, sent: 5000, answered: 0, unanswered: 5000, missed: 0 },
        ...{ wrongBytes: 0, unsolicitedBytes: 0 },
        ...messages,
      } as NonNullable<ConnectResult["messages"]>,
      traffic: { receivedBytes: (messages.wrongBytes ?? 0) + (messages.unsolicitedBytes ?? 0) } as never,
    }),
  ).finding!;

it.each([
  ["nothing", {}, "no bytes arrived"],
  ["greetings before the messages", { unsolicitedBytes: 3000 }, "2.93 KiB received that answer nothing"],
  ["some greetings late", { unsolicitedBytes: 2500, wrongBytes: 500 }, "2.93 KiB received that answer nothing"],
])("a server that sends %s does not answer", (_, bytes, evidence) => {
  expect(findingOf(bytes)).toMatchObject({
    meaning: "the server sends no answers",
    fix: expect.stringContaining("--mode echo"),
    evidence: ["0 of 5,000 messages of 4 B were answered", evidence],
  });
});

it("a run that missed its target with all connections open is not said to have stopped at their number", () => {
  const messages = { expected: "echo", bytes: 4, due: 50, sent: 50, answered: 0, unanswered: 50, wrongBytes: 0 };
  const result = connectResult({
    ...{
      established: 1000,
      peakOpen: 1000,
      failed: 0,
      kernel: { source: "sock_diag", outgoing: 1000, incoming: 1000 },
    },
    misses: [{ kind: "unanswered", count: 50, of: 50 }],
    messages: { ...messages, unsolicitedBytes: 0 } as never,
  });
  expect(diagnosisText(explainRun(result)).split("\n")[0]).toBe(
    "missed its target with all 1,000 connections open: the server sends no answers",
  );
});

it("at least a byte for each message is another answer than the expected one", () => {
  expect(findingOf({ wrongBytes: 5000 })).toMatchObject({
    meaning: expect.stringContaining("only an exact echo is an answer"),
    fix: expect.stringContaining("--await-greeting"),
  });
  // One late greeting, and correct answers to everything else.
  expect(findingOf({ answered: 4999, wrongBytes: 5 }).meaning).toContain("only an exact echo is an answer");
});

it("a server that only greets does not answer, which a run of messages shows", async () => {
  const server = await startServer({ mode: "hello" });
  const messages = { message: "ping", messageRatePerSec: 50 };
  const run = await connect({ to: endpoint(server.address), connections: 4, ...messages, durationMs: 300 });
  const result = await run.done;
  expect(result.outcome).toBe("missed");
  expect(result.traffic.receivedBytes).toBe(4 * "hello".length);
  expect(explainRun(result).finding?.meaning).toBe("the server sends no answers");
});

it("a greeting that is awaited is not the beginning of an answer", async () => {
  const server = createServer(
    (socket) =>
      void socket
        .on("error", () => undefined)
        .resume()
        .write("220 ready\r\n"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const run = await connect({
    ...{ to: `127.0.0.1:${port}`, connections: 4, awaitGreeting: true, durationMs: 300 },
    ...{ message: "x", messageRatePerSec: 50, expect: { until: "\r\n" } },
  });
  const { finding } = explainRun(await run.done);
  expect(finding).toMatchObject({
    limit: "messages",
    meaning: "no answer reached the text of --expect-until: what arrived may be greetings alone",
  });
  expect(finding?.evidence).toContain("44 B arrived, with the greetings");
});

it("a server that closes some connections after a message, and answers none, has no connection limit", () => {
  const lossPattern = {
    ...{ shortestHeldMs: 996, longestHeldMs: 1160, openedOverMs: 10, oldestKeptMs: 2230 },
    ...{ kept: 41, keptOlder: 7, keptYounger: 41 },
  };
  const run = (changed: { shortestHeldMs?: number; receivedBytes?: number }) => {
    const { shortestHeldMs = 996, receivedBytes = 0 } = changed;
    const losses = [{ phase: "hold", errno: "FIN", count: 9 }] as const;
    const listeners = [
      { ip: "10.0.0.1", port: 7777, uid: 0, acceptQueue: { used: 0, limit: 128 }, drops: 0, inode: 1 },
    ];
    return explainRun(
      connectResult({
        ...{ requested: 50, established: 50, peakOpen: 50, failed: 0, lost: 9, losses },
        messages: { expected: "echo", bytes: 4, due: 59, sent: 59, answered: 0, unanswered: 59 } as never,
        traffic: { sentBytes: 236, receivedBytes } as never,
        evidence: {
          lossPattern: { ...lossPattern, shortestHeldMs },
          peer: { listeners, elsewhere: [], process: undefined },
        },
      }),
    );
  };
  const { finding } = run({});
  expect(finding).toMatchObject({
    limit: "address",
    meaning: "the server closed connections after a message, without sending any answer",
    fix: expect.stringContaining("TLS (tls://)"),
  });
  expect(finding?.evidence).toContain(
    "of 41 still open, 7 were opened no later than the first closed connection and 41 no earlier than the last",
  );
  // A server that answered others, or that closed connections at once, may have a limit.
  expect(run({ receivedBytes: 100 }).finding?.limit).toBe("peer-maximum");
  expect(run({ shortestHeldMs: 0 }).finding?.limit).toBe("peer-maximum");
});
