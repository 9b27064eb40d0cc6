// For a client: builds requests and parses response heads.
// @see RFC 9112, sections 3, 4 and 6.3
import { FAULT } from "../codes.js";
import { fieldName, headerLines } from "../http-head.js";
import type { HttpSpec } from "../spec/spec.js";
import { BODY, type Body, contentLength, isChunked, isKept, parseFields } from "./fields.js";

/** A parsed response head. */
export interface ResponseHead {
  readonly status: number;
  readonly body: Body;
  /** Content-Length, or 0 if the body has none. */
  readonly length: number;
  /** Whether the server closes the connection after this response. */
  readonly closes: boolean;
  /** Retry-After in seconds; 0 if absent or a date. */
  readonly retryAfterSec: number;
  /** Whether Location is an https address. */
  readonly leadsToHttps: boolean;
}

/** Returns a request: head and body. */
export function makeRequest({ host, path, method, headers, body, closesAnswered }: HttpSpec): Uint8Array {
  const content = Buffer.from(body ?? "", "base64");
  const isOwnCoding = headers.some((header) => fieldName(header) === "transfer-encoding");
  const hasLength = !isOwnCoding && (body !== undefined || ["POST", "PUT", "PATCH"].includes(method));
  const fields = [
    `Host: ${host}`,
    "User-Agent: fourtuple",
    "Accept: */*",
    closesAnswered ? "Connection: close" : undefined,
    hasLength ? `Content-Length: ${content.length}` : undefined,
  ];
  const lines = [`${method} ${path ?? "/"} HTTP/1.1`, ...headerLines(fields, headers)];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), content]);
}

/**
 * @param head the head, including the empty line
 * @param isOfHead whether the response answers a HEAD request, so that it has no body
 * @returns the head, or a fault if it is invalid
 */
export function parseResponse(head: string, isOfHead: boolean): ResponseHead | number {
  const [, minor, digits] = /^HTTP\/1\.([01]) (\d{3})[ \r]/.exec(head) ?? [];
  if (digits === undefined) return FAULT.NOT_HTTP;
  const fields = parseFields(head);
  if (fields === undefined) return FAULT.BAD_RESPONSE;
  const status = Number(digits);
  const length = contentLength(fields);
  const codings = fields.get("transfer-encoding");
  const isBodiless = isOfHead || status < 200 || status === 204 || status === 304;
  const body = isBodiless ? BODY.none : bodyOf(length, codings);
  if (body === BODY.fixed && Number.isNaN(length)) return FAULT.BAD_RESPONSE;
  return {
    status,
    body: body === BODY.fixed && length === 0 ? BODY.none : body,
    length: body === BODY.fixed ? length! : 0,
    // With both fields, peers may disagree about where the body ends (RFC 9112, section 6.3).
    closes: !isKept(fields, Number(minor)) || (codings !== undefined && length !== undefined),
    retryAfterSec: secondsOf(fields.get("retry-after")),
    leadsToHttps: /^https:/i.test(fields.get("location") ?? ""),
  };
}

function bodyOf(length: number | undefined, codings: string | undefined): Body {
  if (codings !== undefined) return isChunked(codings) ? BODY.chunked : BODY.untilClose;
  return length === undefined ? BODY.untilClose : BODY.fixed;
}

function secondsOf(value: string | undefined): number {
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : 0;
}
