import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageProbe } from "../../src/protocol/message-probe.js";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Feeds `stream` in chunks of the given sizes, over and over, and returns the counts as they came. */
function feed(probe: MessageProbe, connection: number, stream: Uint8Array, sizes: readonly number[]): number[] {
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
  it("counts every message once, however it is cut", () => {
    fc.assert(
      fc.property(upper, lower, fc.integer({ min: 1, max: 20 }), sizes, (greeting, message, messages, cuts) => {
        const probe = new MessageProbe(bytesOf(message), 4);
        probe.open(2);
        for (let n = 0; n < messages; n++) expect(probe.sent(2)).toBe(n);
        const counts = feed(probe, 2, bytesOf(greeting + message.repeat(messages)), cuts);
        expect(total(counts)).toBe(messages);
        expect(probe.unanswered(2)).toBe(0);
        expect(Math.min(...counts)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it("counts a message at its last byte and not before", () => {
    fc.assert(
      fc.property(upper, lower, fc.integer({ min: 1, max: 5 }), (greeting, message, messages) => {
        const probe = new MessageProbe(bytesOf(message), 1);
        probe.open(0);
        for (let n = 0; n < messages; n++) probe.sent(0);
        const counts = feed(probe, 0, bytesOf(greeting + message.repeat(messages)), [1]);
        counts.forEach((count, at) => {
          const echoed = at + 1 - greeting.length;
          expect(count).toBe(echoed > 0 && echoed % message.length === 0 ? 1 : 0);
        });
      }),
    );
  });

  it("counts all of them in the end even where the greeting looks like the message", () => {
    const letters = (minLength: number) => fc.string({ unit: fc.constantFrom("a", "b"), minLength, maxLength: 6 });
    fc.assert(
      fc.property(
        letters(0),
        letters(1),
        fc.integer({ min: 1, max: 6 }),
        sizes,
        (greeting, message, messages, cuts) => {
          const probe = new MessageProbe(bytesOf(message), 1);
          probe.open(0);
          for (let n = 0; n < messages; n++) probe.sent(0);
          expect(total(feed(probe, 0, bytesOf(greeting + message.repeat(messages)), cuts))).toBe(messages);
          expect(probe.unanswered(0)).toBe(0);
        },
      ),
    );
  });

  it("keeps the rhythm when sending and receiving take turns", () => {
    fc.assert(
      fc.property(
        lower,
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 30 }),
        sizes,
        (message, rounds, cuts) => {
          const probe = new MessageProbe(bytesOf(message), 1);
          probe.open(0);
          for (const burst of rounds) {
            for (let n = 0; n < burst; n++) probe.sent(0);
            expect(probe.unanswered(0)).toBe(burst);
            expect(total(feed(probe, 0, bytesOf(message.repeat(burst)), cuts))).toBe(burst);
          }
        },
      ),
    );
  });
});

describe("connections", () => {
  it("do not know of each other", () => {
    const probe = new MessageProbe(bytesOf("ping"), 2);
    probe.open(0);
    probe.open(1);
    probe.sent(0);
    probe.sent(1);
    probe.sent(1);
    expect(probe.receive(1, bytesOf("pingping"), 8)).toBe(2);
    expect([probe.unanswered(0), probe.unanswered(1)]).toEqual([1, 0]);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(0);
    expect(probe.receive(0, bytesOf("ping"), 4)).toBe(1);
  });

  it("are forgotten when their place is used again", () => {
    const probe = new MessageProbe(bytesOf("ping"), 1);
    probe.open(0);
    probe.sent(0);
    probe.receive(0, bytesOf("pi"), 2);
    probe.open(0);
    expect(probe.unanswered(0)).toBe(0);
    probe.sent(0);
    expect(probe.receive(0, bytesOf("welcome"), 7)).toBe(0);
    expect(probe.receive(0, bytesOf("ping"), 4)).toBe(1);
  });

  it("may have any index: it grows and forgets nothing", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 20 }), (indices) => {
        const probe = new MessageProbe(bytesOf("x"), 1);
        const unique = [...new Set(indices)];
        unique.forEach((index, n) => {
          probe.open(index);
          for (let sent = 0; sent <= n; sent++) probe.sent(index);
        });
        unique.forEach((index, n) => {
          expect(probe.unanswered(index)).toBe(n + 1);
        });
      }),
    );
  });

  it("answer nothing when nothing was sent", () => {
    const probe = new MessageProbe(bytesOf("hello"), 1);
    probe.open(0);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(0);
    probe.sent(0);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(1);
    expect(probe.receive(0, bytesOf("hello"), 5)).toBe(0);
  });

  it("read only as many bytes as were received", () => {
    const probe = new MessageProbe(bytesOf("ping"), 1);
    probe.open(0);
    probe.sent(0);
    expect(probe.receive(0, bytesOf("ping"), 2)).toBe(0);
    expect(probe.receive(0, bytesOf("ng--"), 2)).toBe(1);
  });
});
