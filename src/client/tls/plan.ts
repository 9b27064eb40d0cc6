// The TLS plan that a client hands to its workers: the settings, and the server name for each destination.
import { clientContext, freeContext } from "../../linux/openssl/context.js";
import type { TlsPeer } from "../../linux/openssl/session.js";
import type { TlsSettings } from "../../linux/openssl/settings.js";
import type { Targets } from "../../planning/targets.js";
import type { TlsSpec } from "../../planning/tls.js";
import { formatIp, isIp } from "../../util/address.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";

/** A client's TLS settings, as plain data for its workers. */
export interface TlsPlan {
  readonly settings: TlsSettings;
  readonly resumes: boolean;
  /** Peers by destination number; a single entry if all have the same name. */
  readonly peers: readonly TlsPeer[];
}

/**
 * Plans a run's TLS for its workers. Loads certificate files and cipher lists once, so that errors end the run before
 * anything is opened.
 *
 * @throws {AppError} E_OPTION, or E_PLATFORM without OpenSSL
 */
export function planTls({ resumes, serverName, ...settings }: TlsSpec, targets: Targets): TlsPlan {
  freeContext(clientContext(settings));
  const hosts = serverName === undefined ? hostsOf(targets) : [serverName];
  if (serverName === undefined) assertOneNameEach(targets);
  const isSame = hosts.every((host) => host === hosts[0]);
  const peers = (isSame ? hosts.slice(0, 1) : hosts).map((host) => ({ host, isIp: isIp(host) }));
  return { settings, resumes, peers };
}

/**
 * Destinations are addresses, so if several names have the same address, the first name would be requested for all of
 * them.
 */
function assertOneNameEach({ names }: Targets): void {
  const known = new Map<string, string>();
  for (const { name, used } of names) {
    for (const ip of used) {
      const other = known.get(ip) ?? name;
      known.set(ip, other);
      if (other === name) continue;
      const why = "a destination is an address, and requests one name (SNI)";
      throw new AppError("E_OPTION", `${quoted(other)} and ${quoted(name)} have the same address, ${ip}: ${why}`, {
        fix: "start one run for each name, or set the name for TLS with --servername",
      });
    }
  }
}

/** Returns the host name or IP address that was given for each destination. */
function hostsOf({ plan, names }: Targets): string[] {
  const ips = plan.groups.flatMap(({ destinations }) => destinations.map(({ ip }) => formatIp(ip)));
  return ips.map((ip) => names.find(({ used }) => used.includes(ip))?.name ?? ip.replace(/%.*$/, ""));
}
