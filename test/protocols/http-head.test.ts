// Tests HTTP heads: found in full however they are split, limited in size, and scanned only once per byte.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findHeadEnd, HEAD, Heads, LONGEST_HEAD } from "../../src/protocols/http-head.js";
import { Leftovers } from "../../src/protocols/leftovers.js";
import { encode } from "./contract.js";

const SLOT = 3;

/**
 * Feeds `text` in pieces of the given sizes.
 * @returns the head and the rest of its last piece, or the error
 */
function read(text: string, sizes: readonly number[], heads = new Heads(new Leftovers())): string | number {
  const bytes = encode(text);
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = Math.min(sizes[n % sizes.length]!, bytes.length - at);
    // The piece lies in a larger buffer that is overwritten before the next one.
    const piece = new Uint8Array(size + 4).fill(63);
    piece.set(bytes.subarray(at, at + size), 2);
    const end = heads.read(SLOT, piece, 2, 2 + size);
    at += size;
    if (end === HEAD.partial) continue;
    if (end === HEAD.tooLong) return end;
    const head = Buffer.from(heads.bytes.subarray(heads.start, heads.end)).toString("latin1");
    // The end within the piece matches the end within the text.
    expect(head.length).toBe(at - size + end - 2);
    return head;
  }
  return HEAD.partial;
}

const texts = fc.array(fc.constantFrom("\r", "\n", "\r\n", "\r\n\r\n", "Host: a", "x"), { maxLength: 12 });

describe("a head", () => {
  it("is the same however it is split", () => {
    fc.assert(
      fc.property(texts, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (parts, sizes) => {
        const text = parts.join("");
        const end = findHeadEnd(encode(text), 0, text.length);
        const whole = end < 0 ? HEAD.partial : text.slice(0, end);
        if (text !== "") for (const cut of [[text.length], [1], sizes]) expect(read(text, cut)).toEqual(whole);
      }),
    );
  });

  it("may have the maximum length, and no more", () => {
    const longest = `${"x".repeat(LONGEST_HEAD - 4)}\r\n\r\n`;
    for (const sizes of [[2 * LONGEST_HEAD], [1], [LONGEST_HEAD], [LONGEST_HEAD - 1], [1000]]) {
      expect(read(`${longest}rest`, sizes)).toBe(longest);
      expect(read(`x${longest}rest`, sizes)).toBe(HEAD.tooLong);
      expect(read("x".repeat(LONGEST_HEAD), sizes)).toBe(HEAD.partial);
      expect(read("x".repeat(LONGEST_HEAD + 1), sizes)).toBe(HEAD.tooLong);
    }
  });

  it("that arrives byte by byte is scanned once", () => {
    const head = `${"X: y\r\n".repeat(2700)}\r\n`;
    const began = performance.now();
    const heads = new Heads(new Leftovers());
    for (let n = 0; n < 100; n++) expect(read(head, [1], heads)).toBe(head);
    // If each new byte caused a rescan, this would take more than a minute.
    expect(performance.now() - began).toBeLessThan(15_000);
  }, 60_000);
});

describe("incomplete heads", () => {
  it("have one limit for all connections, and leave nothing behind", () => {
    const leftovers = new Leftovers();
    const heads = new Heads(leftovers);
    const part = new Uint8Array(LONGEST_HEAD).fill(120);
    const fill = () => {
      let slot = 0;
      while (heads.read(slot, part, 0, part.length) === HEAD.partial) slot++;
      return slot;
    };
    const most = fill();
    expect(most).toBe(1024);
    for (let slot = 0; slot < most; slot++) leftovers.drop(slot);
    expect(fill()).toBe(most);
  });
});
