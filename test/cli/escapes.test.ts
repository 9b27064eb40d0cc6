import fc from "fast-check";
import { expect, it } from "vitest";
import { unescapeText } from "../../src/cli/escapes.js";

const bytesOf = (text: string) => Buffer.from(unescapeText(text, "-m")).toString("latin1");

it.each([
  ["PING\\r\\n", "PING\r\n"],
  ["a\\tb\\0c", "a\tb\0c"],
  ["\\x00\\xff\\x7F", "\x00\xff\x7f"],
  ["\\\\n", "\\n"],
  ["no escapes", "no escapes"],
  ["", ""],
])("%j", (text, bytes) => {
  expect(bytesOf(text)).toBe(bytes);
});

it("keeps other characters in UTF-8", () => {
  expect(Buffer.from(unescapeText("grüß\\n", "-m")).toString("utf8")).toBe("grüß\n");
});

it.each(["\\q", "\\", "\\x1", "\\xzz", "\\\u001b[31m"])("rejects %j", (text) => {
  expect(() => unescapeText(text, "--message")).toThrow(/--message: unknown escape sequence/);
});

it("restores any bytes written as \\xHH", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const text = [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
      expect([...unescapeText(text, "-m")]).toEqual([...bytes]);
    }),
  );
});
