// Tests the send queue against a model: a peer that accepts any number of bytes at any time.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Outgoing } from "../../../src/engine/sending/outgoing.js";
import { Unsent } from "../../../src/engine/sending/unsent.js";
import { ECONNRESET } from "../../../src/linux/syscalls/errno.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { FAULT } from "../../../src/protocols/codes.js";

const CONSTANTS = ["hello", "", "a longer constant", "x"];
const SLOTS = 3;

/** Returns an Outgoing and its peers, each of which accepts a limited number of bytes. */
function setUp() {
  const room = new Array<number>(SLOTS).fill(Number.POSITIVE_INFINITY);
  const taken = new Array<string>(SLOTS).fill("");
  const failure = { errno: 0 };
  const sender = {
    send(slot: number, { bytes }: NativeBuffer, offset: number, length: number): number {
      if (failure.errno > 0) return -failure.errno;
      const count = Math.min(length, room[slot]!);
      room[slot]! -= count;
      taken[slot] += bytes.toString("latin1", offset, offset + count);
      return count;
    },
  };
  const constants = CONSTANTS.map((text) => Buffer.from(text));
  const outgoing = new Outgoing(sender, constants, new Unsent(new Int32Array(1), 0));
  return { room, taken, failure, outgoing };
}

describe("data sent on connections whose peers stall", () => {
  const slot = fc.nat(SLOTS - 1);
  const step = fc.oneof(
    fc.record({ kind: fc.constant("constant" as const), slot, place: fc.nat(CONSTANTS.length - 1) }),
    fc.record({ kind: fc.constantFrom("own" as const, "copy" as const), slot, text: fc.string({ maxLength: 30 }) }),
    fc.record({ kind: fc.constant("room" as const), slot, bytes: fc.nat(40) }),
    fc.record({ kind: fc.constant("resume" as const), slot }),
    fc.record({ kind: fc.constant("drop" as const), slot }),
  );

  it("arrives complete and in order, and is reported as sent once", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { room, taken, outgoing } = setUp();
        const given = new Array<string>(SLOTS).fill("");
        const told = new Array<number>(SLOTS).fill(0);
        const tell = (at: number, bytes: number) => {
          expect(bytes).toBeGreaterThanOrEqual(0);
          told[at]! += bytes;
        };
        for (const each of steps) {
          const { slot: at } = each;
          if (each.kind === "constant") {
            given[at] += CONSTANTS[each.place];
            tell(at, outgoing.sendConstant(at, each.place));
          } else if (each.kind === "own" || each.kind === "copy") {
            const bytes = Buffer.from(`..${each.text}..`, "latin1");
            given[at] += bytes.toString("latin1", 2, bytes.length - 2);
            const ends = [2, bytes.length - 2] as const;
            if (each.kind === "copy") tell(at, outgoing.sendCopy(at, bytes, ...ends));
            else tell(at, outgoing.send(at, NativeBuffer.from(bytes), ...ends));
            bytes.fill(0);
          } else if (each.kind === "room") room[at] = each.bytes;
          else if (each.kind === "resume") tell(at, outgoing.resume(at));
          else {
            outgoing.drop(at);
            given[at] = taken[at]!;
          }
          expect(taken.map((text, n) => given[n]!.startsWith(text))).toEqual([true, true, true]);
          expect(taken.map((text, n) => outgoing.isSending(n) === text.length < given[n]!.length)).not.toContain(false);
          expect(taken.map(({ length }) => length)).toEqual(told);
        }
        room.fill(Number.POSITIVE_INFINITY);
        for (let n = 0; n < SLOTS; n++) while (outgoing.isSending(n)) tell(n, outgoing.resume(n));
        expect(taken).toEqual(given);
      }),
      { numRuns: 300 },
    );
  });

  it("is stored only while there is room", () => {
    const { room, outgoing } = setUp();
    const bytes = new NativeBuffer(64 * 1024);
    room[1] = 1000;
    expect(outgoing.send(1, bytes, 0, 65_536)).toBe(1000);
    expect(outgoing.send(1, bytes, 0, 1000)).toBe(0);
    expect(outgoing.send(1, bytes, 0, 1)).toBe(-FAULT.SEND_QUEUE_FULL);
    expect(outgoing.sendCopy(2, bytes.bytes, 0, 65_536)).toBe(65_536);
    room[2] = 0;
    expect(outgoing.sendCopy(2, bytes.bytes, 0, 65_536)).toBe(0);
    expect(outgoing.sendConstant(2, 0)).toBe(-FAULT.SEND_QUEUE_FULL);
  });

  it("is reported as failed with its errno", () => {
    const { failure, outgoing } = setUp();
    failure.errno = ECONNRESET;
    expect(outgoing.sendConstant(0, 0)).toBe(-ECONNRESET);
    expect(outgoing.isSending(0)).toBe(true);
    expect(outgoing.resume(0)).toBe(-ECONNRESET);
    expect(outgoing.send(1, NativeBuffer.from(Buffer.from("x")), 0, 1)).toBe(-ECONNRESET);
    expect(outgoing.isSending(1)).toBe(false);
  });
});
