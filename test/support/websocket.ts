// WebSocket bytes created independently of the code under test: frames, requests and responses as in the RFC.
import { createHash } from "node:crypto";
import type { WebSocketSpec } from "../../src/protocols/spec/spec.js";

export const SPEC: WebSocketSpec = {
  name: "ws",
  host: "example.com",
  headers: [],
  isBinary: false,
  pingIntervalMs: 0,
  maxMessageBytes: 1024 * 1024,
};

/** The key and accept value from RFC 6455, section 1.3. */
export const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
export const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** Returns an upgrade request with the given header fields replaced. */
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

/** Returns the response that accepts this request. */
export function agreement(
  fields: Record<string, string | undefined> = {},
  line = "HTTP/1.1 101 Switching Protocols",
): string {
  return head(line, { Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Accept": ACCEPT, ...fields });
}

/** Returns the response that accepts the given request. */
export function agreementTo(request: string): string {
  const [, key] = /^Sec-WebSocket-Key: (.*)\r$/im.exec(request)!;
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return agreement({ "Sec-WebSocket-Accept": accept });
}

function head(line: string, fields: Record<string, string | undefined>): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return [line, ...lines, "", ""].join("\r\n");
}

/**
 * Returns a frame, one character per byte.
 * @param mask four bytes, for frames of a client
 */
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

/** Returns the payload of a Close frame. */
export function closing(code: number, reason = ""): string {
  return String.fromCharCode(code >> 8, code & 255) + reason;
}
