// Handles the upgrade from HTTP/1.1 to WebSocket: the request, the server's response, and the client's
// check of that response. @see RFC 6455, section 4
import { createHash } from "node:crypto";
import { CODES, FAULT } from "../codes.js";
import { fieldOf, hasToken, headerLines } from "../http-head.js";
import type { WebSocketSpec } from "../spec/spec.js";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Matches valid keys: 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** @param key 16 bytes in base64 */
export function makeRequest({ host, path, headers, subprotocol }: WebSocketSpec, key: string): string {
  const fields = [
    `Host: ${host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    subprotocol === undefined ? undefined : `Sec-WebSocket-Protocol: ${subprotocol}`,
  ];
  return `${[`GET ${path ?? "/"} HTTP/1.1`, ...headerLines(fields, headers)].join("\r\n")}\r\n\r\n`;
}

/** Returns the expected Sec-WebSocket-Accept. */
export function acceptOf(key: string): string {
  return createHash("sha1")
    .update(key + GUID)
    .digest("base64");
}

/** @returns code of the refusal, or undefined if the response accepts the upgrade */
export function findRefusal(head: string, { subprotocol }: WebSocketSpec, key: string): number | undefined {
  const status = /^HTTP\/1\.1 (\d{3})[ \r]/.exec(head)?.[1];
  if (status === undefined) return FAULT.NOT_HTTP;
  if (status !== "101") return CODES.http + Number(status);
  const isUpgrade = hasToken(fieldOf(head, "Upgrade"), "websocket") && hasToken(fieldOf(head, "Connection"), "upgrade");
  if (!isUpgrade || fieldOf(head, "Sec-WebSocket-Accept") !== acceptOf(key)) return FAULT.BAD_UPGRADE;
  // The client offers no extensions, and only one subprotocol.
  if (fieldOf(head, "Sec-WebSocket-Extensions")) return FAULT.BAD_UPGRADE;
  return fieldOf(head, "Sec-WebSocket-Protocol") === subprotocol ? undefined : FAULT.BAD_SUBPROTOCOL;
}

/** A server's response to an upgrade request. */
export interface Answer {
  readonly text: string;
  /** Status of a refusal; undefined for an upgrade. */
  readonly refusal: number | undefined;
}

export function answerTo(head: string, { path, subprotocol, headers }: WebSocketSpec): Answer {
  const [, method, target] = /^([!-~]+) ([!-~]+) HTTP\/1\.[1-9]\r/.exec(head) ?? [];
  if (target === undefined || fieldOf(head, "Host") === undefined) return refusal(400, "Bad Request");
  if (path !== undefined && target !== path) return refusal(404, "Not Found");
  if (method !== "GET") return refusal(405, "Method Not Allowed", "Allow: GET");
  if (!hasToken(fieldOf(head, "Upgrade"), "websocket") || !hasToken(fieldOf(head, "Connection"), "upgrade")) {
    return refusal(426, "Upgrade Required", "Upgrade: websocket");
  }
  if (fieldOf(head, "Sec-WebSocket-Version") !== "13")
    return refusal(426, "Upgrade Required", "Sec-WebSocket-Version: 13");
  const key = fieldOf(head, "Sec-WebSocket-Key");
  if (key === undefined || !KEY.test(key)) return refusal(400, "Bad Request");
  const agreed = subprotocol !== undefined && offers(fieldOf(head, "Sec-WebSocket-Protocol"), subprotocol);
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${acceptOf(key)}`,
    ...(agreed ? [`Sec-WebSocket-Protocol: ${subprotocol}`] : []),
    ...headers,
  ];
  return { text: `${lines.join("\r\n")}\r\n\r\n`, refusal: undefined };
}

/** Subprotocols, unlike other tokens, are case-sensitive. */
function offers(list: string | undefined, subprotocol: string): boolean {
  return list?.split(",").some((each) => each.trim() === subprotocol) ?? false;
}

function refusal(status: number, reason: string, ...fields: string[]): Answer {
  const lines = [`HTTP/1.1 ${status} ${reason}`, ...fields, "Connection: close", "Content-Length: 0"];
  return { text: `${lines.join("\r\n")}\r\n\r\n`, refusal: status };
}
