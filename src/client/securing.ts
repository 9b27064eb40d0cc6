// TLS in a client worker: the server name for each connection, and counts and times of handshakes.
import { clientContext, freeContext } from "../linux/openssl/context.js";
import type { TlsPeer } from "../linux/openssl/session.js";
import type { TlsSettings } from "../linux/openssl/settings.js";
import type { Targets } from "../planning/targets.js";
import type { TlsSpec } from "../planning/tls.js";
import type { Histogram } from "../results/histogram/histogram.js";
import type { Transport } from "../transport/contract.js";
import type { ClientTls, ClientTlsEvents } from "../transport/tls/options.js";
import { formatIp, isIpv6 } from "../util/address.js";
import { COUNTER } from "./metrics.js";

/** TLS settings of a client, as plain data for its workers. */
export interface TlsPlan {
  readonly settings: TlsSettings;
  readonly resumes: boolean;
  /** Peers by destination number; a single entry if all have the same name. */
  readonly peers: readonly TlsPeer[];
}

/** Receives events from Securing. */
interface SecuringOwner {
  readonly nowMs: number;
  /** The connection is ESTABLISHED. Bytes sent through `below` are not encrypted. */
  established(slot: number, below: Transport): void;
}

export class Securing implements ClientTlsEvents {
  /** Start time of the handshake by slot, in milliseconds; 0 if none is in progress. */
  readonly sinceMs: Float64Array;
  private readonly owner: SecuringOwner;
  private readonly counters: Float64Array;
  private readonly handshakes: Histogram;

  /** @param slots number of slots that can ever be in use */
  constructor(owner: SecuringOwner, counters: Float64Array, handshakes: Histogram, slots: number) {
    this.owner = owner;
    this.counters = counters;
    this.handshakes = handshakes;
    this.sinceMs = new Float64Array(slots);
  }

  established(slot: number, below: Transport): void {
    this.sinceMs[slot] = this.owner.nowMs;
    this.owner.established(slot, below);
  }

  secured(slot: number, isResumed: boolean): void {
    this.counters[COUNTER.secured]! += 1;
    if (isResumed) this.counters[COUNTER.resumed]! += 1;
    this.handshakes.record((this.owner.nowMs - this.sinceMs[slot]!) * 1000);
    this.sinceMs[slot] = 0;
  }

  /**
   * Returns the TLS configuration for the worker's transport. @param destinationOf maps a slot to its destination
   * number
   */
  open({ settings, resumes, peers }: TlsPlan, destinationOf: (slot: number) => number): ClientTls {
    const peerOf = peers.length > 1 ? destinationOf : () => 0;
    return { context: clientContext(settings), freeContext, events: this, peers, peerOf, resumes };
  }
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
