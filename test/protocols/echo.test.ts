import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EchoClient, EchoServer } from "../../src/protocols/echo.js";
import { ProtocolHost } from "../support/protocol-host.js";
import { encode as bytesOf, describeProtocol } from "./contract.js";

describeProtocol("a server that echoes", {
  create: (connections) => new EchoServer(connections, bytesOf(""), false),
  stream: "an echo",
});
describeProtocol("a client whose messages are echoed", {
  create: (connections, slots) => new EchoClient(connections, bytesOf("ababc, an echo"), slots),
  stream: "ababc, an echo",
});
describeProtocol("a client whose long messages are echoed", {
  create: (connections, slots) => new EchoClient(connections, bytesOf("ab".repeat(200)), slots),
  stream: "ab".repeat(200),
});

it("a server echoes every byte, after its greeting", () => {
  const host = new ProtocolHost();
  const server = new EchoServer(host, bytesOf("hi\n"), false);
  host.constants = server.constants;
  host.opened(0);
  server.opened(0);
  for (const text of ["abc", "", "de"]) server.received(0, bytesOf(`..${text}..`), 2, 2 + text.length);
  expect(host.said[0]).toMatchObject({ sent: "hi\nabcde", isReady: true, isClosed: false });
});

/** An echo client, driven step by step. */
class Probe {
  private readonly host = new ProtocolHost();
  private readonly client: EchoClient;

  constructor(message: string, slots: number) {
    this.client = new EchoClient(this.host, bytesOf(message), slots);
    this.host.constants = this.client.constants;
    this.host.keeps = false;
  }

  get unsolicitedBytes(): number {
    return this.host.unexpectedBytes;
  }

  get wrongBytes(): number {
    return this.host.mismatchedBytes;
  }

  open(slot: number): void {
    this.host.opened(slot);
    this.client.opened(slot);
  }

  end(slot: number): void {
    this.client.closed(slot);
    this.open(slot);
  }

  /** Sends the first bytes of another message. */
  begin(slot: number): void {
    this.host.begin(this.client, slot);
  }

  /** Completes the message begun last. */
  finish(slot: number): void {
    this.host.finish(slot);
  }

  unanswered(slot: number): number {
    return this.host.unanswered(slot);
  }

  /** @returns the number of messages whose answers the bytes complete */
  receive(slot: number, bytes: Uint8Array, length: number): number {
    const before = this.host.unanswered(slot);
    this.client.received(slot, bytes, 0, length);
    return before - this.host.unanswered(slot);
  }
}

const probeOf = (message: string, slots = 1) => new Probe(message, slots);

/** Sends `messages` complete messages. */
function send(probe: Probe, connection: number, messages = 1): void {
  for (let n = 0; n < messages; n++) {
    probe.begin(connection);
    probe.finish(connection);
  }
}

const receive = (probe: Probe, text: string, connection = 0) => probe.receive(connection, bytesOf(text), text.length);

/** Feeds `stream` in chunks of the given sizes, cyclically, and returns the count of each chunk. */
function feed(probe: Probe, connection: number, stream: Uint8Array, sizes: readonly number[]): number[] {
  const counts: number[] = [];
  for (let at = 0, n = 0; at < stream.length; n++) {
    const size = Math.min(sizes[n % sizes.length]!, stream.length - at);
    counts.push(probe.receive(connection, stream.subarray(at, at + size), size));
    at += size;
  }
  return counts;
}
const total = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0);

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });
const upper = fc.string({ unit: fc.constantFrom("A", "B", "C"), maxLength: 12 });
const lower = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 12 });

describe("a stream of a greeting and echoes", () => {
  it("counts every message once, however it is split", () => {
    fc.assert(
      fc.property(upper, lower, fc.integer({ min: 1, max: 20 }), sizes, (greeting, message, messages, cuts) => {
        const probe = probeOf(message, 4);
        probe.open(2);
        send(probe, 2, messages);
        expect(probe.unanswered(2)).toBe(messages);
        const counts = feed(probe, 2, bytesOf(greeting + message.repeat(messages)), cuts);
        expect(total(counts)).toBe(messages);
        expect(probe.unanswered(2)).toBe(0);
        expect(Math.min(...counts)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("counts a message at its last byte, and not before", () => {
    fc.assert(
      fc.property(upper, lower, fc.integer({ min: 1, max: 5 }), (greeting, message, messages) => {
        const probe = probeOf(message, 1);
        probe.open(0);
        send(probe, 0, messages);
        const counts = feed(probe, 0, bytesOf(greeting + message.repeat(messages)), [1]);
        counts.forEach((count, at) => {
          const echoed = at + 1 - greeting.length;
          expect(count).toBe(echoed > 0 && echoed % message.length === 0 ? 1 : 0);
        });
      }),
    );
  });

  it("counts all of them in the end, even if the greeting resembles the message", () => {
    const letters = (minLength: number) => fc.string({ unit: fc.constantFrom("a", "b"), minLength, maxLength: 6 });
    fc.assert(
      fc.property(letters(0), letters(1), fc.integer({ min: 1, max: 6 }), sizes, (text, message, messages, cuts) => {
        // Two complete extra echoes would not count as a greeting.
        const greeting = text.slice(0, 2 * message.length - 1);
        const probe = probeOf(message, 1);
        probe.open(0);
        send(probe, 0, messages);
        expect(total(feed(probe, 0, bytesOf(greeting + message.repeat(messages)), cuts))).toBe(messages);
        expect(probe.unanswered(0)).toBe(0);
      }),
    );
  });

  it("keeps count when sending and receiving alternate", () => {
    fc.assert(
      fc.property(
        lower,
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 30 }),
        sizes,
        (message, rounds, cuts) => {
          const probe = probeOf(message, 1);
          probe.open(0);
          for (const burst of rounds) {
            send(probe, 0, burst);
            expect(probe.unanswered(0)).toBe(burst);
            expect(total(feed(probe, 0, bytesOf(message.repeat(burst)), cuts))).toBe(burst);
          }
        },
      ),
    );
  });
});

describe("connections", () => {
  it("do not affect each other", () => {
    const probe = probeOf("ping", 2);
    probe.open(0);
    probe.open(1);
    send(probe, 0);
    send(probe, 1);
    send(probe, 1);
    expect(probe.receive(1, bytesOf("pingping"), 8)).toBe(2);
    expect([probe.unanswered(0), probe.unanswered(1)]).toEqual([1, 0]);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(0);
    expect(probe.receive(0, bytesOf("ping"), 4)).toBe(1);
  });

  it("are forgotten when their slot is reused", () => {
    const probe = probeOf("ping", 1);
    probe.open(0);
    send(probe, 0);
    probe.receive(0, bytesOf("pi"), 2);
    probe.open(0);
    expect(probe.unanswered(0)).toBe(0);
    send(probe, 0);
    expect(probe.receive(0, bytesOf("welcome"), 7)).toBe(0);
    expect(probe.receive(0, bytesOf("ping"), 4)).toBe(1);
  });

  it("may have any index: it grows without losing state", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 20 }), (indices) => {
        const probe = probeOf("x", 1);
        const unique = [...new Set(indices)];
        unique.forEach((index, n) => {
          probe.open(index);
          send(probe, index, n + 1);
        });
        unique.forEach((index, n) => {
          expect(probe.unanswered(index)).toBe(n + 1);
        });
      }),
    );
  });

  it("answer nothing if nothing was sent", () => {
    const probe = probeOf("hello", 1);
    probe.open(0);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(0);
    send(probe, 0);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(1);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(0);
  });

  it("read only as many bytes as were received", () => {
    const probe = probeOf("ping", 1);
    probe.open(0);
    send(probe, 0);
    expect(probe.receive(0, bytesOf("ping"), 2)).toBe(0);
    expect(probe.receive(0, bytesOf("ng--"), 2)).toBe(1);
  });
});

describe("bytes that are not an answer", () => {
  it("are distinguished from echoes: data pushed between them counts as unsolicited", () => {
    const probe = probeOf("ping");
    probe.open(0);
    expect(receive(probe, "news!")).toBe(0);
    send(probe, 0);
    expect(receive(probe, "news!news!pi")).toBe(0);
    expect(probe.unsolicitedBytes).toBe(5);
    expect(receive(probe, "ngnews!")).toBe(1);
    expect([probe.unsolicitedBytes, probe.wrongBytes]).toEqual([20, 0]);
  });

  it("count as mismatched if an answer never arrives", () => {
    const probe = probeOf("ping");
    probe.open(0);
    send(probe, 0);
    expect(receive(probe, "+PONG\r\n")).toBe(0);
    probe.end(0);
    expect([probe.unsolicitedBytes, probe.wrongBytes]).toEqual([0, 7]);
  });

  it("may differ by a single byte", () => {
    const probe = probeOf("x".repeat(500));
    probe.open(0);
    send(probe, 0, 2);
    expect(receive(probe, `${"x".repeat(300)}y${"x".repeat(199)}`)).toBe(0);
    expect(receive(probe, "x".repeat(301))).toBe(1);
    expect(probe.unanswered(0)).toBe(1);
  });

  it("include half of each echo", () => {
    const probe = probeOf("ping");
    probe.open(0);
    for (let n = 0; n < 10; n++) {
      send(probe, 0);
      expect(receive(probe, "pi")).toBe(0);
    }
    probe.end(0);
    expect(probe.wrongBytes).toBe(18);
  });

  it.each([
    ["in one piece", 400],
    ["byte by byte", 1],
  ])("include an answer a hundred times too long, from the second message on, %s", (_, size) => {
    const probe = probeOf("ping");
    probe.open(0);
    let answered = 0;
    for (let n = 0; n < 10; n++) {
      send(probe, 0);
      answered += total(feed(probe, 0, bytesOf("ping".repeat(100)), [size]));
    }
    expect(answered).toBeLessThanOrEqual(1);
    expect(probe.unsolicitedBytes + probe.wrongBytes).toBeGreaterThan(9 * 400);
    // The next connection in the slot starts with a clean state.
    probe.open(0);
    send(probe, 0);
    expect(receive(probe, "ping")).toBe(1);
  });

  it("include a hundred times as many other bytes", () => {
    const probe = probeOf("ping");
    probe.open(0);
    send(probe, 0);
    expect(receive(probe, "x".repeat(400))).toBe(0);
    probe.end(0);
    expect(probe.wrongBytes).toBe(400);
  });

  it("include an echo of a message not yet sent completely", () => {
    const probe = probeOf("ping");
    probe.open(0);
    probe.begin(0);
    expect(receive(probe, "ping")).toBe(0);
    probe.finish(0);
    expect(receive(probe, "ping")).toBe(1);
  });
});

/** Reference implementation that searches in strings: slow, but obviously correct. */
class PlainProbe {
  unsolicitedBytes = 0;
  wrongBytes = 0;
  private pending = "";
  private waiting = 0;
  private isPartial = false;
  private hasBegun = false;
  private surplus = 0;
  private readonly message: string;

  constructor(message: string) {
    this.message = message;
  }

  begin(): void {
    this.hasBegun = this.isPartial = true;
    if (this.waiting === 0) {
      this.unsolicitedBytes += this.pending.length;
      this.pending = "";
    }
    this.waiting++;
  }

  finish(): void {
    this.isPartial = false;
  }

  receive(text: string): number {
    if (this.surplus > 1) {
      this.wrongBytes += text.length;
      return 0;
    }
    const answerable = this.waiting > 0 && this.isPartial ? this.waiting - 1 : this.waiting;
    let answered = 0;
    this.pending += text;
    for (let at = this.pending.indexOf(this.message); at >= 0; at = this.pending.indexOf(this.message)) {
      this.unsolicitedBytes += at;
      this.pending = this.pending.slice(at + this.message.length);
      if (answered < answerable) answered++;
      else {
        this.unsolicitedBytes += this.message.length;
        if (this.hasBegun && ++this.surplus > 1) {
          this.wrongBytes += answered * this.message.length + this.pending.length;
          this.pending = "";
          return 0;
        }
      }
    }
    this.waiting -= answered;
    if (this.waiting === 0) {
      this.unsolicitedBytes += this.pending.length - this.kept().length;
      this.pending = this.kept();
    }
    return answered;
  }

  end(): void {
    if (this.waiting === 0) this.unsolicitedBytes += this.pending.length;
    else this.wrongBytes += this.pending.length - this.kept().length;
    this.pending = "";
    this.waiting = this.surplus = 0;
    this.hasBegun = this.isPartial = false;
  }

  /** Returns the longest suffix of the input that is a prefix of the message. */
  private kept(): string {
    let length = Math.min(this.pending.length, this.message.length - 1);
    while (!this.pending.endsWith(this.message.slice(0, length))) length--;
    return this.message.slice(0, length);
  }
}

describe("any exchange", () => {
  const few = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 6 });
  // Long enough to be compared by a library call, but still with borders.
  const many = fc.tuple(few, fc.integer({ min: 20, max: 60 })).map(([text, times]) => text.repeat(times));
  const cases = fc.oneof(few, many).chain((message) => {
    const piece = fc.oneof(
      few,
      fc.constant(message),
      fc.constant(message + message),
      fc.nat(message.length).map((at) => message.slice(at)),
      fc.nat(message.length).map((at) => message.slice(0, at)),
      fc.constant("x"),
    );
    const step = fc.oneof(
      fc.constantFrom("begin", "finish", "send", "send", "end"),
      piece.map((text) => ({ text })),
      piece.map((text) => ({ text })),
    );
    return fc.tuple(fc.constant(message), fc.array(step, { maxLength: 40 }));
  });

  it("gives the same count as a search in the whole text", () => {
    fc.assert(
      fc.property(cases, ([message, steps]) => {
        const [probe, plain] = [probeOf(message), new PlainProbe(message)];
        for (const step of steps) {
          if (step === "end") {
            probe.end(0);
            plain.end();
          } else if (step === "finish") {
            probe.finish(0);
            plain.finish();
          } else if (typeof step === "string") {
            probe.begin(0);
            plain.begin();
            if (step === "send") {
              probe.finish(0);
              plain.finish();
            }
          } else expect(receive(probe, step.text)).toBe(plain.receive(step.text));
          expect([probe.unsolicitedBytes, probe.wrongBytes]).toEqual([plain.unsolicitedBytes, plain.wrongBytes]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("a reused slot keeps its place while the table grows", () => {
    const probe = probeOf("abcdef", 2);
    const text = "ababcdef";
    const receive = (connection: number, from: number, to: number) =>
      probe.receive(connection, bytesOf(text.slice(from, to)), to - from);
    probe.open(0);
    send(probe, 0, 1);
    receive(0, 0, 1);
    for (const connection of [2, 3, 100]) {
      probe.open(connection);
      send(probe, connection, 1);
      receive(connection, 0, (connection % 5) + 1);
    }
    expect([0, 2, 3, 100].map((connection) => probe.unanswered(connection))).toEqual([1, 1, 1, 1]);
    // Each connection retains its stray bytes and partial match, so each answer is completed.
    for (const connection of [2, 3, 100]) expect(receive(connection, (connection % 5) + 1, 8)).toBe(1);
    expect(receive(0, 1, 8)).toBe(1);
    expect([probe.unsolicitedBytes, probe.wrongBytes]).toEqual([8, 0]);
  });
});
