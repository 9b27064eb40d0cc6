// Handles TLS handshakes in a client worker: sets up TLS for the transport, and counts and times
// handshakes.
import { clientContext, freeContext } from "../../linux/openssl/context.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import type { Transport } from "../../transport/contract.js";
import type { ClientTls, ClientTlsEvents } from "../../transport/tls/options.js";
import { COUNTER } from "../metrics.js";
import type { Standstills } from "../standstills.js";
import type { TlsPlan } from "./plan.js";

/** Receives events from Securing. */
interface HandshakesOwner {
  readonly nowMs: number;
  readonly inFlight: { readonly standstills: Standstills };
  /** The connection is ESTABLISHED. Bytes sent through `below` are not encrypted. */
  established(slot: number, below: Transport): void;
}

export class TlsHandshakes implements ClientTlsEvents {
  /** Start time of the handshake by slot, in milliseconds; 0 if none is in progress. */
  readonly sinceMs: Float64Array;
  private readonly owner: HandshakesOwner;
  private readonly counters: Float64Array;
  private readonly handshakes: Histogram;

  /** @param slots number of slots that can ever be in use */
  constructor(owner: HandshakesOwner, counters: Float64Array, handshakes: Histogram, slots: number) {
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
    this.owner.inFlight.standstills.mark(this.sinceMs[slot]!);
    this.sinceMs[slot] = 0;
  }

  /**
   * Returns the TLS configuration for the worker's transport.
   * @param destinationOf maps a slot to its destination number
   */
  open({ settings, resumes, peers }: TlsPlan, destinationOf: (slot: number) => number): ClientTls {
    const peerOf = peers.length > 1 ? destinationOf : () => 0;
    return { context: clientContext(settings), freeContext, events: this, peers, peerOf, resumes };
  }
}
