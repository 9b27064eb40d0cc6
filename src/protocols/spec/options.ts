// What a caller may ask of the protocols besides plain TCP, for either role, and the spec that it makes.

import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import type { Address } from "./address.js";
import { SCHEMES } from "./address.js";
import type { ProtocolSpec } from "./spec.js";

export interface ProtocolOptions {
  /** WebSocket, clients: further fields of the request, such as `"Authorization: Bearer x"`. */
  readonly headers?: readonly string[] | undefined;
  /** WebSocket: the subprotocol that a client asks for, or a server agrees on. */
  readonly subprotocol?: string | undefined;
  /** WebSocket: send messages as binary ones; default as text. */
  readonly binary?: boolean | undefined;
  /** WebSocket: how often each connection is pinged; default never. */
  readonly pingIntervalMs?: number | undefined;
  /** WebSocket: longer messages end the connection (close code 1009); default 1 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** From ESTABLISHED to ready in the protocol; default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/** The options that only one protocol has, as the command line names them. */
const NAMES: Readonly<Record<Exclude<keyof ProtocolOptions, "handshakeTimeoutMs">, string>> = {
  headers: "--header",
  subprotocol: "--subprotocol",
  binary: "--binary",
  pingIntervalMs: "--ping-interval",
  maxMessageBytes: "--max-message-size",
};

const MAX_MESSAGE_BYTES = 1024 * 1024;
/** Lengths are kept in 32 bits. */
const LARGEST_MESSAGE = 2 ** 31 - 1;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A token of RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * @param address the one that says what is spoken
 * @returns undefined for plain TCP
 * @throws {AppError} E_OPTION when an option makes no sense, or is of another protocol
 */
export function protocolSpec(address: Address, options: ProtocolOptions): ProtocolSpec | undefined {
  const { protocol, isSecure, port } = SCHEMES[address.scheme];
  checkTime("handshake timeout", options.handshakeTimeoutMs);
  if (options.handshakeTimeoutMs !== undefined && protocol === "tcp" && !isSecure) {
    throw invalid(
      "plain TCP has no handshake after connect()",
      "use --connect-timeout, or leave out --handshake-timeout",
    );
  }
  if (protocol !== "ws") {
    for (const [name, option] of Object.entries(NAMES)) {
      if (options[name as keyof ProtocolOptions] === undefined) continue;
      throw invalid(`${option} is an option of WebSocket`, `give an address with ws://, or leave out ${option}`);
    }
    return undefined;
  }
  const { headers = [], subprotocol, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  for (const header of headers) checkHeader(header);
  if (subprotocol !== undefined && !TOKEN.test(subprotocol)) {
    throw invalid(`invalid subprotocol: ${quoted(subprotocol)}`, "give a name such as mqtt");
  }
  checkTime("ping interval", options.pingIntervalMs);
  if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < 1 || maxMessageBytes > LARGEST_MESSAGE) {
    throw invalid(
      `invalid maximum of a message's size: ${maxMessageBytes}`,
      `give 1 byte to ${formatBytes(LARGEST_MESSAGE)}`,
    );
  }
  return {
    name: "ws",
    host: hostField(address, port),
    path: address.path,
    headers,
    subprotocol,
    isBinary: options.binary ?? false,
    pingIntervalMs: options.pingIntervalMs ?? 0,
    maxMessageBytes,
  };
}

/** The first port of several; none where it is the scheme's own (RFC 9110, 7.2). The zone of an address is this host's affair. */
function hostField({ host, ports }: Address, own: number): string {
  const bare = host.replace(/%.*$/, "");
  const name = bare.includes(":") ? `[${bare}]` : bare;
  return ports.first === own ? name : `${name}:${ports.first}`;
}

function checkHeader(header: string): void {
  const [, name] = /^([^:]+):[ \t]*[^\r\n\0]*$/.exec(header) ?? [];
  if (name !== undefined && TOKEN.test(name)) return;
  throw invalid(`invalid header: ${quoted(header)}`, "write it as 'Name: value'");
}

function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (value > 0 && value < 2 ** 31)) return;
  throw invalid(`${name} of ${value} ms is not possible`, "give a time above 0, such as 30s");
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
