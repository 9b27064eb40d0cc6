// Host names to addresses, by the host's own resolver (files, DNS), as every other program here does it.
import { lookup } from "node:dns/promises";
import { type Family, formatIp, type IpAddress, parseIp, unmapIp } from "../util/address.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { resolveZone } from "./zone.js";

/**
 * Resolves a host name to the resolver's first address; an address is taken as it is.
 *
 * @throws {AppError} E_RESOLVE when nobody knows it, E_ADDRESS for a zone that is missing or unknown
 */
export async function resolveHost(host: string): Promise<IpAddress> {
  return (await resolveAll(host))[0]!;
}

/**
 * Resolves a host name to all of its addresses, each once, in the resolver's order (RFC 6724); an address is taken as it is.
 *
 * @param options.family only those of it
 * @param options.zone of an IPv6 address that is given without it
 * @throws {AppError} E_RESOLVE when nobody knows it; E_ADDRESS when it has none of the family, or for a zone that is missing
 *   or unknown
 */
export async function resolveAll(
  host: string,
  { family, zone }: { readonly family?: Family | undefined; readonly zone?: string | undefined } = {},
): Promise<IpAddress[]> {
  const found = (await lookupAll(host)).map((ip) => (zone === undefined ? ip : { ...ip, zone }));
  const ips = [...new Map(found.map((ip) => [formatIp(ip), ip])).values()];
  const wanted = ips.filter((ip) => family === undefined || ip.family === family);
  if (wanted.length === 0) {
    throw new AppError(
      "E_ADDRESS",
      `${quoted(host)} has no IPv${family} address: it is ${ips.map(formatIp).join(", ")}`,
      {
        fix: `leave out -${family}, or use a name that has one`,
      },
    );
  }
  return wanted.map(resolveZone);
}

async function lookupAll(host: string): Promise<IpAddress[]> {
  try {
    return (await lookup(host, { all: true, order: "verbatim" })).map(({ address }) => unmapIp(parseIp(address)));
  } catch (cause) {
    throw new AppError("E_RESOLVE", `the host name ${quoted(host)} does not resolve`, {
      fix: "check the spelling, or use an IP address",
      cause,
    });
  }
}
