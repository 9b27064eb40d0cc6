// Counts sockets by endpoint, for the endpoints that accepted connections and for destinations.
import { TCP_ESTABLISHED, TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import { Counts, PairIndex } from "./dense-index.js";

/** Counters per endpoint (address, port), including the number of distinct addresses at the other end. */
export class Endpoints {
  readonly index = new PairIndex();
  readonly sockets = new Counts();
  readonly established = new Counts();
  readonly timeWait = new Counts();
  readonly others = new Counts();
  private readonly pairs = new PairIndex();

  add(addressId: number, port: number, otherId: number, state: number, sockets: number): void {
    const id = this.index.idOf(addressId, port);
    this.sockets.add(id, sockets);
    if (state === TCP_ESTABLISHED) this.established.add(id, sockets);
    else if (state === TCP_TIME_WAIT) this.timeWait.add(id, sockets);
    const before = this.pairs.size;
    if (this.pairs.idOf(id, otherId) === before) this.others.add(id);
  }
}
