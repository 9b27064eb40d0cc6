// Inspects a server on this host: its listening sockets at the start of the run, whether it accepts connections, and
// its process.

import type { Targets } from "../../planning/targets.js";
import type { Accepting, LocalPeer } from "../../results/peer.js";
import { inspectPeer, type ListenQueue, readListenQueues } from "../../socket-table/listeners/peer.js";
import { AcceptWatch } from "./accept-watch.js";

/**
 * Maximum duration of an inspection. It reads the descriptors of all processes, and other programs may have millions of
 * them.
 */
const INSPECTION_MS = 10_000;
/** Additional time for each connection, which has a descriptor at each end. */
const INSPECTION_MS_PER_CONNECTION = 0.05;

/** Returns how long a run of this size may inspect its server, in milliseconds. */
export function inspectionMs(connections: number): number {
  return Math.min(INSPECTION_MS + connections * INSPECTION_MS_PER_CONNECTION, 2 ** 31 - 1);
}

export class ServerSide {
  readonly #targets: Targets;
  readonly #mostMs: number;
  readonly #accepts: AcceptWatch;
  #queuesBefore: Promise<readonly ListenQueue[] | undefined> | undefined;
  #inspected: Promise<LocalPeer | undefined> | undefined;
  readonly #ending = new AbortController();

  /** @param mostMs maximum duration of an inspection, after which its result names no process */
  constructor(targets: Targets, mostMs: number) {
    this.#targets = targets;
    this.#mostMs = mostMs;
    this.#accepts = new AcceptWatch(targets);
  }

  /** Reads the server's listening sockets for later comparison. */
  begin(): void {
    if (this.#targets.isLocal) this.#queuesBefore = readListenQueues(this.#targets.endpoints).catch(() => undefined);
  }

  /**
   * Takes a sample before the end of the hold. The search for the server's process starts now, too, because it is slow
   * on a host with many processes.
   */
  async sampleEarly(): Promise<void> {
    if (await this.#accepts.sample()) this.#inspected = this.inspect();
  }

  /** @see AcceptWatch.conclude */
  accepting(lacksEnds: boolean): Promise<Accepting | undefined> {
    return this.#accepts.conclude(lacksEnds);
  }

  /**
   * Returns the server's process and its listening sockets as of now; undefined if the server is on another host or not
   * visible.
   */
  async inspect(): Promise<LocalPeer | undefined> {
    if (!this.#targets.isLocal) return undefined;
    const before = await this.#queuesBefore;
    const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(Math.floor(this.#mostMs))]);
    return inspectPeer(this.#targets.endpoints, before, signal).catch(() => undefined);
  }

  /**
   * Returns the inspection that sampleEarly() started because connections were waiting; otherwise inspects the server
   * now.
   */
  inspected(): Promise<LocalPeer | undefined> {
    return this.#inspected ?? this.inspect();
  }

  /**
   * Cancels pending readings.
   * @returns a promise that resolves once all files opened for that are closed
   */
  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.all([this.#queuesBefore, this.#inspected]);
  }
}
