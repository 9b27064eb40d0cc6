// Tests reading the PROXY protocol header against its specification, split at every byte.
import { describe, expect, it } from "vitest";
import { codeName } from "../../../src/protocols/codes.js";
import { startsWithProxyHeader } from "../../../src/protocols/proxy-protocol/format.js";
import { PROXY_PARTIAL, ProxyReader } from "../../../src/protocols/proxy-protocol/reader.js";
import { PROXY_HEADER_SIZE, writeProxyHeader } from "../../../src/protocols/proxy-protocol/writer.js";
import { parseIp } from "../../../src/util/address.js";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const REST = "GET / HTTP/1.1\r\n\r\nPROXY TCP4 1.2.3.4";
const V4 = "\x0a\x00\x00\x01\x0a\x00\x00\x02\x12\x34\x01\xbb";
const V6 = `${"\0".repeat(15)}\x01${"\0".repeat(15)}\x02\xff\xff\x00\x50`;

const v2 = (command: number, family: number, rest: string, length = rest.length) =>
  `${SIGNATURE}${String.fromCharCode(command, family, length >> 8, length & 255)}${rest}`;
const bytesOf = (text: string) => Buffer.from(text, "latin1");

/** Reads a stream in pieces, and returns the client and the bytes that follow the header. */
function readIn(reader: ProxyReader, pieces: readonly Uint8Array[], slot = 0) {
  let rest = "";
  let found: object | undefined;
  for (const piece of pieces) {
    if (found) {
      rest += Buffer.from(piece).toString("latin1");
      continue;
    }
    // Place the bytes inside a larger buffer, as in a real read.
    const bytes = Buffer.concat([Buffer.from("xx"), piece, Buffer.from("PROXY")]);
    const end = reader.read(slot, bytes, 2, 2 + piece.length);
    if (end === PROXY_PARTIAL) continue;
    if (end < 0) return codeName(-end);
    const { version, hasClient } = reader;
    expect(reader.client() !== undefined).toBe(hasClient);
    found = { version, client: reader.client() };
    rest = bytes.toString("latin1", end, 2 + piece.length);
  }
  return found ? { ...found, rest } : "partial";
}

function split(stream: Uint8Array, at: number): Uint8Array[] {
  return [stream.subarray(0, at), stream.subarray(at)].filter(({ length }) => length > 0);
}

const client = (ip: string, port: number) => ({ ip, port });

describe("a valid header", () => {
  const unnamed = undefined;
  it.each([
    ["v1 TCP4", "PROXY TCP4 192.0.2.1 192.0.2.33 1024 80\r\n", 1, client("192.0.2.1", 1024)],
    ["v1 TCP6", "PROXY TCP6 2001:DB8:0:0::1 ::1 65535 0\r\n", 1, client("2001:db8::1", 65_535)],
    ["v1 UNKNOWN", "PROXY UNKNOWN\r\n", 1, unnamed],
    ["v1 UNKNOWN with addresses", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", 1, unnamed],
    ["v1 of 107 bytes", `PROXY UNKNOWN ${"x".repeat(91)}\r\n`, 1, unnamed],
    ["v2 IPv4", v2(0x21, 0x11, V4), 2, client("10.0.0.1", 0x1234)],
    ["v2 IPv6", v2(0x21, 0x21, V6), 2, client("::1", 65_535)],
    [
      "v2 with TLVs",
      v2(0x21, 0x11, `${V4}\x03\x00\x04\x12\x34\x56\x78\x04\x00\x01\x00`),
      2,
      client("10.0.0.1", 0x1234),
    ],
    ["v2 with the longest TLVs", v2(0x21, 0x11, V4 + "t".repeat(4096 - 12)), 2, client("10.0.0.1", 0x1234)],
    ["v2 LOCAL", v2(0x20, 0x00, ""), 2, unnamed],
    ["v2 LOCAL with addresses of any family", v2(0x20, 0xff, V4), 2, unnamed],
    ["v2 unspecified", v2(0x21, 0x00, ""), 2, unnamed],
    ["v2 UDP", v2(0x21, 0x12, V4), 2, unnamed],
    ["v2 Unix sockets", v2(0x21, 0x31, "u".repeat(216)), 2, unnamed],
  ])("is read however it is split, and nothing after it: %s", (_, header, version, named) => {
    const stream = bytesOf(header + REST);
    const expected = { version, client: named, rest: REST };
    const reader = new ProxyReader();
    expect(readIn(reader, [stream])).toEqual(expected);
    expect(readIn(reader, [bytesOf(header)])).toEqual({ ...expected, rest: "" });
    for (let at = 1; at < Math.min(stream.length, 300); at++)
      expect(readIn(reader, split(stream, at))).toEqual(expected);
    expect(
      readIn(
        reader,
        Array.from(stream, (byte) => Uint8Array.of(byte)),
      ),
    ).toEqual(expected);
  });

  it.each(["v1", "v2"] as const)("is what our client writes: %s", (version) => {
    const bytes = Buffer.alloc(PROXY_HEADER_SIZE);
    for (const [from, to] of [
      ["192.0.2.1", "198.51.100.2"],
      ["2001:db8::7", "::1"],
      ["ffff:1fff:2fff:3fff:4fff:5fff:6fff:7fff", "ffff:1fff:2fff:3fff:4fff:5fff:6fff:7fff"],
    ]) {
      const length = writeProxyHeader(
        bytes,
        version,
        { ip: parseIp(from!), port: 40_000 },
        { ip: parseIp(to!), port: 7 },
      );
      expect(startsWithProxyHeader(bytes, 0, length)).toBe(true);
      const found = readIn(new ProxyReader(), [bytes.subarray(0, length)]);
      expect(found).toEqual({ version: Number(version[1]), client: client(from!, 40_000), rest: "" });
    }
  });
});

describe("anything else", () => {
  it.each([
    ["a request", "GET / HTTP/1.1\r\n\r\n", "NO_PROXY_HEADER"],
    ["a TLS record", "\x16\x03\x01\x02\x00", "NO_PROXY_HEADER"],
    ["one byte", "x", "NO_PROXY_HEADER"],
    ["a wrong signature", "\r\n\r\n\0\r\nQUIT\r", "NO_PROXY_HEADER"],
    ["lower case", "proxy TCP4 ", "NO_PROXY_HEADER"],
    ["a line without its end", `PROXY TCP4 ${"1".repeat(96)}`, "PROXY_HEADER_TOO_LONG"],
    ["a line of 108 bytes", `PROXY UNKNOWN ${"x".repeat(92)}\r\n`, "PROXY_HEADER_TOO_LONG"],
    ["a line that ends with LF", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "BAD_PROXY_HEADER"],
    ["an unknown protocol", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "BAD_PROXY_HEADER"],
    ["nothing", "PROXY \r\n", "BAD_PROXY_HEADER"],
    ["no addresses", "PROXY TCP4\r\n", "BAD_PROXY_HEADER"],
    ["no ports", "PROXY TCP4 192.0.2.1 192.0.2.2\r\n", "BAD_PROXY_HEADER"],
    ["one port", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "BAD_PROXY_HEADER"],
    ["three ports", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "BAD_PROXY_HEADER"],
    ["two spaces", "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "BAD_PROXY_HEADER"],
    ["a port above 65535", "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "BAD_PROXY_HEADER"],
    ["a port with a leading zero", "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "BAD_PROXY_HEADER"],
    ["a port that is no number", "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", "BAD_PROXY_HEADER"],
    ["an IPv4 address in octal", "PROXY TCP4 0192.0.2.1 192.0.2.2 1 2\r\n", "BAD_PROXY_HEADER"],
    ["IPv6 in TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n", "BAD_PROXY_HEADER"],
    ["IPv4 in TCP6", "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "BAD_PROXY_HEADER"],
    ["a zone", "PROXY TCP6 fe80::1%lo fe80::2%lo 1 2\r\n", "BAD_PROXY_HEADER"],
    ["version 1 in binary", v2(0x11, 0x11, V4), "BAD_PROXY_HEADER"],
    ["an unknown command", v2(0x22, 0x11, V4), "BAD_PROXY_HEADER"],
    ["an unknown family", v2(0x21, 0x41, V4), "BAD_PROXY_HEADER"],
    ["an unknown transport", v2(0x21, 0x13, V4), "BAD_PROXY_HEADER"],
    ["too few bytes for IPv4", v2(0x21, 0x11, V4.slice(1)), "BAD_PROXY_HEADER"],
    ["too few bytes for IPv6", v2(0x21, 0x21, V6.slice(1)), "BAD_PROXY_HEADER"],
    ["too few bytes for Unix sockets", v2(0x21, 0x31, "u".repeat(215)), "BAD_PROXY_HEADER"],
    ["TLVs of 4,097 bytes", v2(0x21, 0x11, V4, 4097), "PROXY_HEADER_TOO_LONG"],
    ["the longest length", v2(0x21, 0x11, V4, 65_535), "PROXY_HEADER_TOO_LONG"],
  ])("is refused, however it is split: %s", (_, text, expected) => {
    const stream = bytesOf(text);
    const reader = new ProxyReader();
    expect(readIn(reader, [stream])).toBe(expected);
    for (let at = 1; at < stream.length; at++) expect(readIn(reader, split(stream, at))).toBe(expected);
    expect(
      readIn(
        reader,
        Array.from(stream, (byte) => Uint8Array.of(byte)),
      ),
    ).toBe(expected);
  });

  it("is incomplete at any earlier point, and forgotten when dropped", () => {
    const reader = new ProxyReader();
    for (const header of ["PROXY TCP4 192.0.2.1 192.0.2.33 1024 80\r\n", v2(0x21, 0x21, `${V6}tlv`)]) {
      for (let length = 1; length < header.length; length++) {
        expect(readIn(reader, [bytesOf(header.slice(0, length))])).toBe("partial");
        reader.drop(0);
      }
    }
  });

  it("takes a bounded amount of memory when many are incomplete", () => {
    const reader = new ProxyReader();
    const almost = bytesOf(v2(0x21, 0x11, V4 + "t".repeat(4000), 4096));
    const found = Array.from({ length: 5000 }, (_, slot) => readIn(reader, [almost], slot));
    expect(found.indexOf("PROXY_HEADER_TOO_LONG")).toBe(Math.floor((16 * 1024 * 1024) / almost.length));
    // Whole headers are still read.
    expect(readIn(reader, [bytesOf(v2(0x21, 0x11, V4))], 5000)).toMatchObject({ client: client("10.0.0.1", 0x1234) });
  });
});
