// The responses of an HTTP/1.1 server, as constants of its protocol.
import { isUtf8 } from "node:buffer";
import type { HttpSpec } from "../spec/spec.js";
import { makeHead } from "./request.js";

/**
 * Indexes into the constants. Each response takes four constants: complete, or head only (for HEAD requests), if the
 * connection stays open, then the same if it is closed.
 */
export const PLACE = {
  response: 0,
  notFound: 4,
  continue: 8,
  /** The parts of an event stream: the head with the first event, the head alone, a further event, the end. */
  stream: 9,
  streamHead: 10,
  event: 11,
  lastChunk: 12,
  /** The same parts for HTTP/1.0, which has no chunks. */
  bareStream: 13,
  bareStreamHead: 14,
  bareEvent: 15,
} as const;

/** Offsets to add to the index of a response. */
export const [HEAD_ALONE, AND_CLOSE] = [1, 2] as const;

/**
 * @param text default body, used if the spec has none
 */
export function makeResponses({ status, body, headers }: HttpSpec, greeting: string | Uint8Array): Uint8Array[] {
  const content = body === undefined ? Buffer.from(greeting as Uint8Array) : Buffer.from(body, "base64");
  const event = Buffer.from(`${content.toString().replace(/^/gm, "data: ").trimEnd()}\n\n`);
  const chunk = Buffer.concat([Buffer.from(`${event.length.toString(16)}\r\n`), event, Buffer.from("\r\n")]);
  const streamFields = ["Content-Type: text/event-stream", "Cache-Control: no-cache"];
  const streamHead = Buffer.from(makeHead(200, headers, ...streamFields, "Transfer-Encoding: chunked"));
  const bareHead = Buffer.from(makeHead(200, headers, ...streamFields, "Connection: close"));
  return [
    ...fourOf(status, headers, content),
    ...fourOf(404, headers, Buffer.from("not found\n")),
    Buffer.from(makeHead(100, [])),
    Buffer.concat([streamHead, chunk]),
    streamHead,
    chunk,
    Buffer.from("0\r\n\r\n"),
    Buffer.concat([bareHead, event]),
    bareHead,
    event,
  ];
}

function fourOf(status: number, headers: readonly string[], content: Buffer): Uint8Array[] {
  // Responses with these statuses have no body, whatever the fields say.
  const isBodiless = status === 204 || status === 304;
  const fields = isBodiless
    ? []
    : [
        `Content-Type: ${isUtf8(content) ? "text/plain; charset=utf-8" : "application/octet-stream"}`,
        `Content-Length: ${content.length}`,
      ];
  return ["keep-alive", "close"].flatMap((option) => {
    const head = Buffer.from(makeHead(status, headers, ...fields, `Connection: ${option}`));
    return [isBodiless ? head : Buffer.concat([head, content]), head];
  });
}
