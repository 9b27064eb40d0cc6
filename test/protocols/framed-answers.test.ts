// Tests answers that end with a delimiter or after a number of bytes, and the exchange before the first message.
import { describe, expect, it } from "vitest";
import { DelimitedEnd, SizedEnd } from "../../src/protocols/answer-end.js";
import type { ClientConnections } from "../../src/protocols/contract.js";
import { createClientProtocol } from "../../src/protocols/plain-tcp.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { describeProtocol, encode } from "./contract.js";

type Options = Omit<Parameters<typeof createClientProtocol>[1], "slots">;

const UNTIL = { bytes: encode("PING\r\n"), expected: "until", delimiter: encode("\r\n") } as const;
const BYTES = { bytes: encode("PING\r\n"), expected: "bytes", answerBytes: 7 } as const;

const create = (options: Options) => (connections: ClientConnections, slots: number) =>
  createClientProtocol(connections, { ...options, slots });

const cases: [string, Options, { stream: string; handshake?: string }][] = [
  ["whose answers end with a delimiter", { message: UNTIL }, { stream: "+PONG\r\n" }],
  ["whose answers have a number of bytes", { message: BYTES }, { stream: "+PONG\r\n" }],
  [
    "that waits for a greeting and for the answer to its first message",
    {
      message: UNTIL,
      opening: { ...UNTIL, awaitsGreeting: true, firstMessage: encode("HELO\r\n"), awaitsAnswer: true },
    },
    { stream: "250 ok\r\n", handshake: "220 hi\r\n250 ok\r\n" },
  ],
  [
    "whose first message is echoed",
    {
      message: { bytes: encode("ping"), expected: "echo" },
      opening: { expected: "echo", awaitsGreeting: false, firstMessage: encode("hello"), awaitsAnswer: true },
    },
    { stream: "ping", handshake: "hello" },
  ],
];
for (const [name, options, rest] of cases) describeProtocol(`a client ${name}`, { create: create(options), ...rest });

/** Returns a client with one open connection. */
function open(options: Options) {
  const host = new ProtocolHost();
  const client = create(options)(host, 1);
  host.constants = client.constants;
  host.opened(0);
  client.opened(0);
  return {
    host,
    client,
    said: host.said[0]!,
    read: (text: string) => client.received(0, encode(text), 0, text.length),
    send: () => {
      host.begin(client, 0);
      host.finish(0);
    },
  };
}

describe("the end of an answer", () => {
  it("is found wherever the delimiter is split, and where its beginning repeats", () => {
    const end = new DelimitedEnd(encode("aab"), 1);
    end.restart(0);
    expect(["xaa", "ab", "aaab"].map((text) => end.find(0, encode(text), 0, text.length))).toEqual([-1, 2, 4]);
  });

  it("is counted in bytes over several reads", () => {
    const end = new SizedEnd(5, 1);
    end.restart(0);
    expect([3, 3, 4].map((length) => end.find(0, new Uint8Array(length), 0, length))).toEqual([-1, 2, -1]);
  });
});

describe("answers", () => {
  it("are counted individually, however many arrive in one read", () => {
    const { said, read, send, host } = open({ message: UNTIL });
    send();
    send();
    read("+PONG\r\n+PO");
    expect(said.answered).toBe(1);
    read("NG\r\n");
    expect(said.answered).toBe(2);
    expect([host.unexpectedBytes, host.mismatchedBytes]).toEqual([0, 0]);
  });

  it("without a message are unsolicited, and none of them answers the next one", () => {
    const { said, read, send, host } = open({ message: UNTIL });
    read("welcome, half a li");
    send();
    read("+PONG\r\nextra");
    expect([said.answered, host.unexpectedBytes]).toEqual([1, "welcome, half a li".length + "extra".length]);
  });

  it("to a message that is not completely sent do not count yet", () => {
    const { said, read, host, client } = open({ message: BYTES });
    host.begin(client, 0);
    read("+PONG\r\n");
    expect([said.answered, host.unexpectedBytes]).toEqual([0, 7]);
  });
});

describe("the opening", () => {
  const opening = { ...UNTIL, firstMessage: encode("AUTH x\r\n"), awaitsAnswer: true, awaitsGreeting: false };

  it("sends the first message at once, and the connection is ready once it is answered", () => {
    const { said, read, client, host } = open({ message: UNTIL, opening });
    expect(client.handshake).toBe("first-message");
    expect(said).toMatchObject({ sent: "AUTH x\r\n", isReady: false });
    read("+O");
    expect(said.isReady).toBe(false);
    read("K\r\n");
    expect(said).toMatchObject({ isReady: true, answered: 0 });
    expect([host.unexpectedBytes, host.content[0]]).toEqual([0, "+OK\r\n"]);
  });

  it("waits for no answer if none is expected", () => {
    const none = { expected: "none", awaitsGreeting: false, firstMessage: encode("hi"), awaitsAnswer: false } as const;
    const { said, client } = open({ opening: none });
    expect(client.handshake).toBe("none");
    expect(said).toMatchObject({ sent: "hi", isReady: true });
  });

  it("sends nothing before the greeting is complete", () => {
    const { said, read } = open({ message: UNTIL, opening: { ...opening, awaitsGreeting: true } });
    read("220 wel");
    expect(said.sent).toBe("");
    read("come\r\n");
    expect(said).toMatchObject({ sent: "AUTH x\r\n", isReady: false });
    read("250 ok\r\n");
    expect(said.isReady).toBe(true);
  });

  it("takes the first bytes for the greeting if answers have no end", () => {
    const greeting = { expected: "none", awaitsGreeting: true, awaitsAnswer: false } as const;
    const { said, read, client } = open({ opening: greeting });
    expect(client.handshake).toBe("greeting");
    expect(said.isReady).toBe(false);
    read("h");
    expect(said).toMatchObject({ isReady: true, sent: "" });
  });

  it("is not complete if an echo server returns something other than the first message", () => {
    const echo = { expected: "echo", awaitsGreeting: false, firstMessage: encode("abc"), awaitsAnswer: true } as const;
    const { said, read, host } = open({ opening: echo });
    read("abX");
    expect([said.isReady, host.mismatchedBytes]).toEqual([false, 1]);
  });
});
