// The TLS plan that a client hands to its workers: the settings, and the server name for each destination.
import { clientContext, freeContext } from "../../linux/openssl/context.js";
import type { TlsPeer } from "../../linux/openssl/session.js";
import type { TlsSettings } from "../../linux/openssl/settings.js";
import type { Targets } from "../../planning/targets.js";
import type { TlsSpec } from "../../planning/tls.js";
import { formatIp, isIpv6 } from "../../util/address.js";

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
  const isSame = hosts.every((host) => host === hosts[0]);
  const peers = (isSame ? hosts.slice(0, 1) : hosts).map((host) => ({ host, isIp: isIp(host) }));
  return { settings, resumes, peers };
}

function isIp(host: string): boolean {
  return isIpv6(host) || /^\d+(\.\d+){3}$/.test(host);
}

/** Returns the host name or IP address that was given for each destination. */
function hostsOf({ plan, names }: Targets): string[] {
  const ips = plan.groups.flatMap(({ destinations }) => destinations.map(({ ip }) => formatIp(ip)));
  return ips.map((ip) => names.find(({ used }) => used.includes(ip))?.name ?? ip.replace(/%.*$/, ""));
}
