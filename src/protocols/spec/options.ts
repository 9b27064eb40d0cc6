// Protocol options for either role, and the spec built from them.

import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import type { Address } from "./address.js";
import { SCHEMES } from "./address.js";
import type { ProtocolName, ProtocolSpec, WebSocketSpec } from "./spec.js";

export interface ProtocolOptions {
  /** WebSocket clients: additional request fields, such as `"Authorization: Bearer x"`. */
  readonly headers?: readonly string[] | undefined;
  /** WebSocket: the subprotocol that a client requests or a server agrees to. */
  readonly subprotocol?: string | undefined;
  /** WebSocket: sends binary messages; default text. */
  readonly binary?: boolean | undefined;
  /** WebSocket: ping interval of each connection; default never. */
  readonly pingIntervalMs?: number | undefined;
  /** WebSocket: longer messages end the connection (close code 1009); default 1 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Timeout from ESTABLISHED to ready in the protocol; default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/** Options that only some protocols have, with their command-line names and these protocols. */
const OPTIONS: Readonly<
  Record<Exclude<keyof ProtocolOptions, "handshakeTimeoutMs">, { flag: string; of: readonly ProtocolName[] }>
> = {
  headers: { flag: "--header", of: ["ws"] },
  subprotocol: { flag: "--subprotocol", of: ["ws"] },
  binary: { flag: "--binary", of: ["ws"] },
  pingIntervalMs: { flag: "--ping-interval", of: ["ws"] },
  maxMessageBytes: { flag: "--max-message-size", of: ["ws"] },
};

/** Names of the protocols in messages. */
const WORDS: Readonly<Record<ProtocolName, string>> = { tcp: "plain TCP", ws: "WebSocket" };

const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Lengths are stored in 32 bits. */
const LARGEST_MESSAGE = 2 ** 31 - 1;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A token (RFC 9110, section 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Builds a protocol's spec from its options.
 *
 * @param address determines the protocol
 * @param hasOpening whether plain TCP connections wait for an answer before they are ready
 * @returns undefined for plain TCP
 * @throws {AppError} E_OPTION when an option is invalid or belongs to another protocol
 */
export function protocolSpec(address: Address, options: ProtocolOptions, hasOpening = false): ProtocolSpec | undefined {
  const { protocol, isSecure } = SCHEMES[address.scheme];
  checkTime("handshake timeout", options.handshakeTimeoutMs);
  if (options.handshakeTimeoutMs !== undefined && protocol === "tcp" && !isSecure && !hasOpening) {
    throw invalid(
      "plain TCP has no handshake after connect()",
      "use --connect-timeout, or leave out --handshake-timeout",
    );
  }
  checkOwners(protocol, options);
  return protocol === "ws" ? webSocketSpec(address, options) : undefined;
}

/** @throws {AppError} E_OPTION for an option that belongs to another protocol */
function checkOwners(protocol: string, options: ProtocolOptions): void {
  for (const [name, { flag, of }] of Object.entries(OPTIONS)) {
    if (options[name as keyof ProtocolOptions] === undefined || of.some((owner) => owner === protocol)) continue;
    throw invalid(
      `${flag} requires ${of.map((owner) => WORDS[owner]).join(" or ")}`,
      `use an address with ${of.map((owner) => `${owner}://`).join(" or ")}, or leave out ${flag}`,
    );
  }
}

function webSocketSpec(address: Address, options: ProtocolOptions): WebSocketSpec {
  const { headers = [], subprotocol, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  for (const header of headers) checkHeader(header);
  if (subprotocol !== undefined && !TOKEN.test(subprotocol)) {
    throw invalid(`invalid subprotocol: ${quoted(subprotocol)}`, "give a name such as mqtt");
  }
  checkTime("ping interval", options.pingIntervalMs);
  if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < 1 || maxMessageBytes > LARGEST_MESSAGE) {
    throw invalid(`invalid maximum message size: ${maxMessageBytes}`, `give 1 byte to ${formatBytes(LARGEST_MESSAGE)}`);
  }
  return {
    name: "ws",
    host: hostField(address),
    path: address.path,
    headers,
    subprotocol,
    isBinary: options.binary ?? false,
    pingIntervalMs: options.pingIntervalMs ?? 0,
    maxMessageBytes,
  };
}

/**
 * Returns the Host field. Uses the first of several ports and omits the scheme's default port (RFC 9110, section 7.2).
 * An address's zone only has a meaning on this host, so it is omitted too.
 */
function hostField({ host, ports, scheme }: Address): string {
  const bare = host.replace(/%.*$/, "");
  const name = bare.includes(":") ? `[${bare}]` : bare;
  return ports.first === SCHEMES[scheme].port ? name : `${name}:${ports.first}`;
}

function checkHeader(header: string): void {
  const [, name] = /^([^:]+):[ \t]*[^\r\n\0]*$/.exec(header) ?? [];
  if (name !== undefined && TOKEN.test(name)) return;
  throw invalid(`invalid header: ${quoted(header)}`, "write it as 'Name: value'");
}

function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (value > 0 && value < 2 ** 31)) return;
  throw invalid(`invalid ${name}: ${value} ms`, "give a duration above 0, such as 30s");
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
