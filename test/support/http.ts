// HTTP/1.1 messages as in the RFCs, built independently of the code under test.
import type { HttpSpec } from "../../src/protocols/spec/spec.js";

export const SPEC: HttpSpec = {
  name: "http",
  isSecure: false,
  host: "example.com",
  headers: [],
  method: "GET",
  closesAnswered: false,
  responseTimeoutMs: 0,
  status: 200,
  eventIntervalMs: 0,
  delayMs: 0,
  maxBodyBytes: 1024 * 1024,
};

/** Returns a message with these fields; undefined ones are omitted. */
export function message(line: string, fields: Record<string, string | undefined> = {}, body = ""): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `${[line, ...lines, "", ""].join("\r\n")}${body}`;
}

/** Returns a response with a body of known length. */
export function response(body: string, fields: Record<string, string | undefined> = {}, status = "200 OK"): string {
  return message(`HTTP/1.1 ${status}`, { "Content-Length": `${body.length}`, ...fields }, body);
}

/** Returns a request, with a body of known length if one is given. */
export function request(body = "", fields: Record<string, string | undefined> = {}, line = "GET / HTTP/1.1"): string {
  const length = body === "" ? undefined : `${body.length}`;
  return message(line, { Host: "example.com", "Content-Length": length, ...fields }, body);
}

/** Returns a chunked body with one chunk per text. */
export function chunks(...texts: string[]): string {
  return `${texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join("")}0\r\n\r\n`;
}
