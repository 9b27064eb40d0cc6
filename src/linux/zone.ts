// Handles the zones of link-local IPv6 addresses (RFC 4007). The kernel identifies an interface by index
// (sin6_scope_id), users by name.
import { formatIp, type IpAddress, isLinkLocal } from "../util/address.js";
import { AppError } from "../util/errors.js";
import { readInterfaces } from "./netlink/interfaces.js";
import { interfaceIndex, interfaceName } from "./syscalls/interface-names.js";

/**
 * Returns the address with its zone as an interface name, so that each address has only one spelling.
 *
 * @throws {AppError} E_ADDRESS if no interface has that name or index, or the zone is missing or not allowed
 */
export function resolveZone(ip: IpAddress): IpAddress {
  if (ip.zone === undefined && isLinkLocal(ip)) {
    const names = Object.keys(readInterfaces() ?? {}).filter((name) => name !== "lo");
    const written = (names.length === 0 ? ["eth0"] : names).map((zone) => formatIp({ ...ip, zone }));
    throw new AppError("E_ADDRESS", `${formatIp(ip)} is link-local and needs a zone (its interface)`, {
      fix: `write it as ${written.join(" or ")}`,
    });
  }
  return resolveGivenZone(ip);
}

/**
 * Like resolveZone(), for filters: a link-local address without a zone matches any interface.
 *
 * @throws {AppError} E_ADDRESS
 */
export function resolveGivenZone(ip: IpAddress): IpAddress {
  const { zone, ...bare } = ip;
  if (zone === undefined) return ip;
  if (!isLinkLocal(ip)) {
    throw new AppError("E_ADDRESS", `${formatIp(ip)} has a zone, but only link-local addresses (fe80::/10) have one`, {
      fix: `write it as ${formatIp(bare)}`,
    });
  }
  const name = interfaceName(interfaceIndex(zone));
  if (name !== undefined) return { ...ip, zone: name };
  const names = Object.keys(readInterfaces() ?? {});
  throw new AppError("E_ADDRESS", `${formatIp(ip)}: no interface has the name or number "${zone}"`, {
    fix: `use an interface of this host (ip -brief link)${names.length > 0 ? `: ${names.join(", ")}` : ""}`,
    facts: { zone },
  });
}
