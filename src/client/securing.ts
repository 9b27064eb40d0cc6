// TLS of a client's worker: whom each connection is to reach, and its handshakes counted and timed.
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

/** A client's TLS, as plain data for its workers. */
export interface TlsPlan {
  readonly settings: TlsSettings;
  readonly resumes: boolean;
  /** By destination; a single one where all are reached by the same name. */
  readonly peers: readonly TlsPeer[];
}

/** What is told to the worker's role. */
interface SecuringOwner {
  readonly nowMs: number;
  /** ESTABLISHED; bytes sent by `below` go in the clear. */
  established(slot: number, below: Transport): void;
}

export class Securing implements ClientTlsEvents {
  /** When the handshake in a slot began, in milliseconds; 0 when none is under way. */
  readonly sinceMs: Float64Array;
  private readonly owner: SecuringOwner;
  private readonly counters: Float64Array;
  private readonly handshakes: Histogram;

  /** @param slots that may ever be in use */
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

  /** TLS for the worker's transport. @param destinationOf the number of a slot's destination */
  open({ settings, resumes, peers }: TlsPlan, destinationOf: (slot: number) => number): ClientTls {
    const peerOf = peers.length > 1 ? destinationOf : () => 0;
    return { context: clientContext(settings), freeContext, events: this, peers, peerOf, resumes };
  }
}

/**
 * A run's TLS for its workers. Files and lists are tried here, where an error ends the run before anything is opened.
 *
 * @throws {AppError} E_OPTION, or E_PLATFORM where there is no OpenSSL
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

/** What each destination was called: its name, or its address. */
function hostsOf({ plan, names }: Targets): string[] {
  const ips = plan.groups.flatMap(({ destinations }) => destinations.map(({ ip }) => formatIp(ip)));
  return ips.map((ip) => names.find(({ used }) => used.includes(ip))?.name ?? ip.replace(/%.*$/, ""));
}
