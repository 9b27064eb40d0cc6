// Tests declared framing: the same frames however a stream is split, and the end of connections with oversized ones.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FAULT } from "../../../src/protocols/codes.js";
import { defineProtocol, type Framing } from "../../../src/protocols/scripted/define.js";
import { ProtocolHost } from "../../support/protocol-host.js";
import { sideOf } from "../../support/scripted.js";

function framesOf(framing: Framing, stream: Buffer, sizes: readonly number[]) {
  const host = new ProtocolHost();
  const frames: string[] = [];
  const definition = defineProtocol({
    name: "frames",
    framing,
    server: { received: (_, frame) => void frames.push(frame.text()) },
  });
  const { side } = sideOf(host, definition, { isServer: true });
  host.opened(0);
  side.opened(0);
  for (let at = 0, n = 0; at < stream.length && !host.hasEnded(0); n++) {
    const size = Math.min(sizes[n % sizes.length]!, stream.length - at);
    side.received(0, stream.subarray(at, at + size), 0, size);
    at += size;
  }
  return { frames, refusedWith: host.said[0]!.refusedWith };
}

const newlineEnd = (bytes: Uint8Array, start: number, end: number) => {
  const at = bytes.subarray(start, end).indexOf(10);
  return at < 0 ? -1 : start + at + 1;
};

const KINDS: [string, Framing, Buffer, string[]][] = [
  ["a delimiter", { delimiter: "\r\n" }, Buffer.from("one\r\n\r\nthr\ree\r\r\nrest"), ["one", "", "thr\ree\r"]],
  ["a length", { length: { bytes: 1 } }, Buffer.from("\x03one\x00\x05three\x09re"), ["\x03one", "\x00", "\x05three"]],
  [
    "a little-endian length after a byte, with the header",
    { length: { bytes: 2, endian: "little", at: 1, includesHeader: true } },
    Buffer.from("a\x06\x00onea\x03\x00a\x05\x00hi"),
    ["a\x06\x00one", "a\x03\x00", "a\x05\x00hi"],
  ],
  ["a fixed size", { fixed: 3 }, Buffer.from("onetwothr"), ["one", "two", "thr"]],
  ["a function", { end: newlineEnd }, Buffer.from("one\ntwo\nrest"), ["one\n", "two\n"]],
];

describe.each(KINDS)("framing by %s", (_, framing, stream, frames) => {
  it("finds the same frames, however the stream is split", () => {
    for (let size = 1; size <= stream.length; size++) expect(framesOf(framing, stream, [size]).frames).toEqual(frames);
    const cuts = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(cuts, (sizes) => {
        expect(framesOf(framing, stream, sizes).frames).toEqual(frames);
      }),
    );
  });
});

const TOO_LONG: [string, Framing, string][] = [
  ["a delimiter that does not come", { delimiter: "\n", maxBytes: 5 }, "123456"],
  ["a length above the limit", { length: { bytes: 1 }, maxBytes: 5 }, "\x05"],
  ["a function that finds no end", { end: () => -1, maxBytes: 5 }, "12345"],
];

it.each(TOO_LONG)("%s ends the connection, however the stream is split", (_, framing, stream) => {
  for (const size of [1, 2, 100]) {
    expect(framesOf(framing, Buffer.from(stream), [size])).toEqual({ frames: [], refusedWith: FAULT.FRAME_TOO_LONG });
  }
  if (!("end" in framing)) expect(framesOf(framing, Buffer.from(stream.slice(1)), [1]).refusedWith).toBeUndefined();
});

it("a length below that of its header ends the connection", () => {
  const framing = { length: { bytes: 2, includesHeader: true } } as const;
  expect(framesOf(framing, Buffer.from("\x00\x01"), [1]).refusedWith).toBe(FAULT.BAD_LENGTH);
});

it("a framing function that returns an invalid position is reported as the author's error", () => {
  for (const found of [0, -7, 1.5, 1000, Number.NaN]) {
    expect(framesOf({ end: () => found }, Buffer.from("x"), [1]).refusedWith).toBe(FAULT.HANDLER_ERROR);
  }
});

it("a million random frames are found", () => {
  // Use few sizes and one buffer to keep this fast.
  const sizes = Array.from({ length: 1000 }, (_, n) => (n * 7919) % 50);
  const stream = Buffer.concat(sizes.map((size) => Buffer.concat([Buffer.from([0, size]), Buffer.alloc(size, "x")])));
  const host = new ProtocolHost();
  let bytes = 0;
  let frames = 0;
  const definition = defineProtocol({
    name: "many",
    framing: { length: { bytes: 2 } },
    server: {
      received(_, frame) {
        frames++;
        bytes += frame.length;
      },
    },
  });
  const { side } = sideOf(host, definition, { isServer: true });
  host.opened(0);
  side.opened(0);
  for (let round = 0; round < 1000; round++) {
    for (let at = 0; at < stream.length; ) {
      const end = Math.min(stream.length, at + 1 + ((round * 131 + at * 17) % 4096));
      side.received(0, stream, at, end);
      at = end;
    }
  }
  expect([frames, bytes]).toEqual([1_000_000, 1000 * stream.length]);
});
