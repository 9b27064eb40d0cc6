// Resolves names with the host's resolver (files, DNS), as other programs on this host do.
import { lookup } from "node:dns/promises";
import { SCHEME_NAMES } from "../results/identifiers.js";
import { type Family, formatIp, type IpAddress, parseIp, unmapIp } from "../util/address.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { resolveZone } from "./zone.js";

/**
 * Resolves a host name to the resolver's first address. An IP address is returned as is.
 *
 * @throws {AppError} E_RESOLVE if the name is unknown, E_ADDRESS for a missing or unknown zone
 */
export async function resolveHost(host: string): Promise<IpAddress> {
  return (await resolveAll(host))[0]!;
}

/**
 * Resolves a host name to its distinct addresses, in the resolver's order (RFC 6724). An IP address is returned as is.
 *
 * @param options.family restricts the result to this family
 * @param options.zone zone of an IPv6 address given without one
 * @throws {AppError} E_RESOLVE if the name is unknown, E_ADDRESS if the name has no address of the family, or if a
 *   zone is missing or unknown
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
      `${quoted(host)} has no IPv${family} address, only ${ips.map(formatIp).join(", ")}`,
      {
        fix: `omit -${family}, or use a name that has one`,
      },
    );
  }
  return wanted.map(resolveZone);
}

async function lookupAll(host: string): Promise<IpAddress[]> {
  try {
    return (await lookup(host, { all: true, order: "verbatim" })).map(({ address }) => unmapIp(parseIp(address)));
  } catch (cause) {
    const isScheme = (SCHEME_NAMES as readonly string[]).includes(host);
    throw new AppError("E_RESOLVE", `the host name ${quoted(host)} does not resolve`, {
      fix: isScheme
        ? `if ${host} is the scheme, write ${host}:// before the address; otherwise check the spelling`
        : "check the spelling, or use an IP address",
      cause,
    });
  }
}
