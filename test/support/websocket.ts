// A WebSocket's bytes made apart from the code under test: frames, requests and answers as the RFC writes them.
import type { WebSocketSpec } from "../../src/protocols/spec/spec.js";

export const SPEC: WebSocketSpec = {
  name: "ws",
  host: "example.com",
  headers: [],
  isBinary: false,
  pingIntervalMs: 0,
  maxMessageBytes: 1024 * 1024,
};

/** RFC 6455, 1.3: a key, and what it is answered by. */
export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** A request for an upgrade, with these fields in place of the usual ones. */
export function request(fields: Record<string, string | undefined> = {}, line = "GET / HTTP/1.1"): string {
  const all = {
    Host: "example.com",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
    ...fields,
  };
  return head(line, all);
}

/** The answer that agrees to it. */
export function agreement(
  fields: Record<string, string | undefined> = {},
  line = "HTTP/1.1 101 Switching Protocols",
): string {
  return head(line, { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Accept": ACCEPT, ...fields });
}

function head(line: string, fields: Record<string, string | undefined>): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return [line, ...lines, "", ""].join("\r\n");
}

/** A frame, a character a byte. @param mask of four bytes, for a client's */
export function frame(
  opcode: number,
  content: string,
  options: { mask?: string; fin?: boolean; length?: number } = {},
): string {
  const { mask, fin = true, length = content.length } = options;
  const bytes = [(fin ? 0x80 : 0) | opcode];
  const bit = mask === undefined ? 0 : 0x80;
  if (length < 126) bytes.push(bit | length);
  else if (length < 65_536) bytes.push(bit | 126, length >> 8, length & 255);
  else bytes.push(bit | 127, ...[56, 48, 40, 32, 24, 16, 8, 0].map((shift) => Math.floor(length / 2 ** shift) % 256));
  const masked = [...content].map((letter, n) => letter.charCodeAt(0) ^ (mask ?? "\0\0\0\0").charCodeAt(n % 4));
  return String.fromCharCode(...bytes) + (mask ?? "") + masked.map((byte) => String.fromCharCode(byte)).join("");
}

/** A Close frame's content. */
export function closing(code: number, reason = ""): string {
  return String.fromCharCode(code >> 8, code & 255) + reason;
}
