// The server's end of a run, where it is on this host: its listening sockets when the run began, how far its program has come with
// accepting, and its process.

import type { Targets } from "../../planning/targets.js";
import type { Accepting, LocalPeer } from "../../results/peer.js";
import { inspectPeer, type ListenQueue, readListenQueues } from "../../socket-table/listeners/peer.js";
import { AcceptWatch } from "./accept-watch.js";

export class ServerSide {
  readonly #targets: Targets;
  readonly #accepts: AcceptWatch;
  #queuesBefore: Promise<readonly ListenQueue[] | undefined> | undefined;
  #inspected: Promise<LocalPeer | undefined> | undefined;

  constructor(targets: Targets) {
    this.#targets = targets;
    this.#accepts = new AcceptWatch(targets);
  }

  /** Reads its listening sockets, to be compared with later. */
  begin(): void {
    if (this.#targets.isLocal) this.#queuesBefore = readListenQueues(this.#targets.endpoints).catch(() => undefined);
  }

  /** A sample some time before the end of the hold: finding the process takes a while on a host that has many. */
  async sampleEarly(): Promise<void> {
    if (await this.#accepts.sample()) this.#inspected = this.inspect();
  }

  /** @see AcceptWatch.conclude */
  accepting(lacksEnds: boolean): Promise<Accepting | undefined> {
    return this.#accepts.conclude(lacksEnds);
  }

  /** Its process and its listening sockets as they are now; undefined where it is not on this host or cannot be seen. */
  async inspect(): Promise<LocalPeer | undefined> {
    if (!this.#targets.isLocal) return undefined;
    return inspectPeer(this.#targets.endpoints, await this.#queuesBefore).catch(() => undefined);
  }

  /** As it was at sampleEarly(), where something waited then; else as it is now. */
  inspected(): Promise<LocalPeer | undefined> {
    return this.#inspected ?? this.inspect();
  }
}
