// The contract between a client's transport and what gives it 4-tuples to open: the transport takes one after the other by itself, so that
// one that is in use makes way for the next without the role.
import type { SocketAddress } from "../linux/syscalls/sockaddr.js";

/** Where a client's connections come from and go to. One object a worker; read right after take(). */
export interface TupleSource {
  /** The kernel chooses source ports, and sourcePort is 0. */
  readonly kernelPicksPort: boolean;
  /** A port that the kernel chooses may be the destination's own: where nobody listens there, a connection can meet itself. */
  readonly mayMeetItself: boolean;
  /** Of the tuple taken last: its destination. */
  readonly destination: SocketAddress;
  /** Its source address: the port in it is the transport's to write. */
  readonly source: SocketAddress;
  readonly sourcePort: number;
  /** Neither address nor port is asked for: nothing is bound. */
  readonly isUnbound: boolean;

  /**
   * Takes the next tuple, for `slot`.
   *
   * @param passedOver how many tuples made way for this one because something else has them, since open() of this connection
   * @returns its number, or -1 when there is none left: then the connection has failed with EADDRNOTAVAIL in `bind`
   */
  take(slot: number, passedOver: number): number;
  /** There was nothing to open this tuple with: it is the next one. */
  giveBack(tuple: number): void;
  /** This tuple's source address is not this host's (EADDRNOTAVAIL of bind). */
  cannotBind(tuple: number): void;
}
