// For a server: parses request heads and builds response heads.
// @see RFC 9112, sections 3 and 6.3; RFC 9110, section 10.1.1
import { headerLines } from "../http-head.js";
import { BODY, type Body, contentLength, isKept, parseFields } from "./fields.js";

/** A parsed request head. */
export interface RequestHead {
  /** Status with which to refuse the request and close the connection; 0 to accept the request. */
  readonly refusal: number;
  /** Path and query. */
  readonly target: string;
  readonly isOfHead: boolean;
  /** Whether the client uses HTTP/1.0, which has no chunks. */
  readonly isOld: boolean;
  readonly body: Body;
  /** Content-Length, or 0 if the body has none. */
  readonly length: number;
  /** Whether the client waits for 100 (Continue) before it sends the body. */
  readonly expectsContinue: boolean;
  /** Whether the client wants the connection closed after the response. */
  readonly closes: boolean;
}

const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP\/(\d)\.(\d)\r\n/;

const NO_TOKEN = Buffer.from('"(),/:;<=>?@[\\]{}');

/**
 * @param head the head, including the empty line
 * @param maxBytes maximum length of a body
 */
export function parseRequest(head: string, maxBytes: number): RequestHead {
  const [, method, target, major, minor] = LINE.exec(head) ?? [];
  if (target === undefined) return refusal(400);
  if (major !== "1") return refusal(505);
  const fields = parseFields(head);
  const isOld = minor === "0";
  if (fields === undefined || !hasHost(fields.get("host"), isOld)) return refusal(400);
  const length = contentLength(fields);
  const codings = fields.get("transfer-encoding");
  // Proxies may disagree about where such a body ends, which allows request smuggling (RFC 9112, section 11.2).
  if (codings !== undefined && (length !== undefined || isOld)) return refusal(400);
  if (codings !== undefined && codings.toLowerCase() !== "chunked") return refusal(501);
  if (Number.isNaN(length)) return refusal(400);
  if (length !== undefined && length > maxBytes) return refusal(413);
  const expected = fields.get("expect")?.toLowerCase();
  if (expected !== undefined && expected !== "100-continue") return refusal(417);
  const body = codings !== undefined ? BODY.chunked : length ? BODY.fixed : BODY.none;
  return {
    refusal: 0,
    target,
    isOfHead: method === "HEAD",
    isOld,
    body,
    length: length ?? 0,
    expectsContinue: expected !== undefined && !isOld && body !== BODY.none,
    closes: !isKept(fields, Number(minor)),
  };
}

/** Whether a request may start with `byte`, given that a method is a token. */
export function isTokenByte(byte: number): boolean {
  return byte > 32 && byte < 127 && !NO_TOKEN.includes(byte);
}

function hasHost(host: string | undefined, isOld: boolean): boolean {
  return host === undefined ? isOld : !host.includes(",");
}

function refusal(status: number): RequestHead {
  const none = { target: "", isOfHead: false, isOld: false, body: BODY.none, length: 0, expectsContinue: false };
  return { refusal: status, ...none, closes: true };
}

const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  301: "Moved Permanently",
  302: "Found",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  413: "Content Too Large",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

/**
 * Returns the head of a response.
 * @param own the user's header fields, such as `Server: x`, which replace others of the same name
 * @param fields header fields such as `Content-Length: 5`; undefined ones are omitted
 */
export function makeHead(status: number, own: readonly string[], ...fields: (string | undefined)[]): string {
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? ""}`, ...headerLines(fields, own)];
  return `${lines.join("\r\n")}\r\n\r\n`;
}
