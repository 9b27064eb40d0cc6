// Checks shared by the options of several protocols, and the Host field built from an address.
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { formatBytes } from "../../util/units.js";
import { type Address, SCHEMES } from "./address.js";

/** Lengths are stored in 32 bits. */
const LARGEST_MESSAGE = 2 ** 31 - 1;
/** A token (RFC 9110, section 5.6.2). */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Returns the Host field, which contains the first of several ports, and omits the scheme's default port (RFC
 * 9110, section 7.2). An address's zone is omitted, too, because it is meaningful only on this host.
 */
export function hostField({ host, ports, scheme }: Address): string {
  const bare = host.replace(/%.*$/, "");
  const name = bare.includes(":") ? `[${bare}]` : bare;
  return ports.first === SCHEMES[scheme].port ? name : `${name}:${ports.first}`;
}

/** Fields that describe a response's framing or the upgrade, which a server sets itself. */
const OF_SERVER = /^(connection|content-length|transfer-encoding|upgrade|sec-websocket-.*)$/i;

/**
 * @param isServer whether the headers are for responses
 * @throws {AppError} E_OPTION unless every header has the form `Name: value` and is one that the side does not set
 *   itself
 */
export function checkHeaders(headers: readonly string[], isServer: boolean): void {
  for (const header of headers) {
    const [, name] = /^([^:]+):[ \t]*[^\r\n\0]*$/.exec(header) ?? [];
    if (name === undefined || !TOKEN.test(name)) {
      throw invalid(`invalid header: ${quoted(header)}`, "write it as 'Name: value'");
    }
    if (isServer && OF_SERVER.test(name)) {
      throw invalid(`the server sets ${name} itself`, "leave out this header");
    }
  }
}

/** @throws {AppError} E_OPTION unless the value is above 0 */
export function checkTime(name: string, value: number | undefined): void {
  if (value === undefined || (value > 0 && value < 2 ** 31)) return;
  throw invalid(`invalid ${name}: ${value} ms`, "use a duration above 0, such as 30s");
}

/** @throws {AppError} E_OPTION */
export function checkMaxMessageBytes(value: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= LARGEST_MESSAGE) return;
  throw invalid(`invalid maximum message size: ${value}`, `use 1 byte to ${formatBytes(LARGEST_MESSAGE)}`);
}

export function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
