// Host names to addresses, by the host's own resolver (files, DNS), as every other program here does it.
import { lookup } from "node:dns/promises";
import { type IpAddress, parseIp } from "../base/address.js";
import { AppError } from "../base/errors.js";

/**
 * Resolves a host name; an address is taken as it is.
 *
 * @throws {AppError} E_RESOLVE when nobody knows it
 */
export async function resolveHost(host: string): Promise<IpAddress> {
  try {
    return parseIp((await lookup(host)).address);
  } catch (cause) {
    throw new AppError("E_RESOLVE", `the host name "${host}" does not resolve`, {
      fix: "check its spelling, or give an IP address",
      cause,
    });
  }
}
