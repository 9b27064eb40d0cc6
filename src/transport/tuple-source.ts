// Interface between a client's transport and its source of 4-tuples. The transport takes tuples itself, so that it can
// skip a tuple that is in use without involving the role.
import type { SocketAddress } from "../linux/syscalls/sockaddr.js";

/**
 * Source and destination of a client's next connection. There is one object per worker, whose properties are valid
 * after take().
 */
export interface TupleSource {
  /** Whether the kernel chooses source ports. If so, sourcePort is 0. */
  readonly kernelPicksPort: boolean;
  /**
   * Whether the kernel may choose the destination port as the source port. If nothing listens on that port, a
   * connection can connect to itself.
   */
  readonly mayMeetItself: boolean;
  /** Destination of the last tuple taken. */
  readonly destination: SocketAddress;
  /** Source address of the last tuple taken. The transport sets the port in it. */
  readonly source: SocketAddress;
  readonly sourcePort: number;
  /** Whether neither address nor port is specified, so nothing is bound. */
  readonly isUnbound: boolean;

  /**
   * Takes the next tuple for `slot`.
   *
   * @param passedOver number of tuples skipped since open() of this connection because they were in use
   * @returns number of the tuple, or -1 if none is left; the connection then fails with EADDRNOTAVAIL in `bind`
   */
  take(slot: number, passedOver: number): number;
  /** Returns a tuple that could not be opened for lack of resources. The next take() then returns this tuple again. */
  giveBack(tuple: number): void;
  /** Reports that the tuple's source address does not belong to this host (EADDRNOTAVAIL from bind). */
  cannotBind(tuple: number): void;
}
