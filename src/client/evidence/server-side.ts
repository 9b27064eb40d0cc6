// Inspects a server on this host: its listening sockets at the start of the run, whether it accepts connections, and
// its process.

import type { Targets } from "../../planning/targets.js";
import type { Accepting, LocalPeer } from "../../results/peer.js";
import { inspectPeer, type ListenQueue, readListenQueues } from "../../socket-table/listeners/peer.js";
import { AcceptWatch } from "./accept-watch.js";

export class ServerSide {
  readonly #targets: Targets;
  readonly #accepts: AcceptWatch;
  #queuesBefore: Promise<readonly ListenQueue[] | undefined> | undefined;
  #inspected: Promise<LocalPeer | undefined> | undefined;
  readonly #ending = new AbortController();

  constructor(targets: Targets) {
    this.#targets = targets;
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
    return inspectPeer(this.#targets.endpoints, before, this.#ending.signal).catch(() => undefined);
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
