// Counts a server's connections by state: accepted by its program, waiting in the accept queue, or still in the
// handshake.

import { TCP_ESTABLISHED, TCP_SYN_RECV } from "../../linux/syscalls/constants.js";
import type { AddressRange } from "../../util/address-range.js";
import type { EndQuery } from "../query.js";
import { readTable } from "../table.js";

/** Sockets on the server side of a run's connections. */
export interface AcceptCount {
  /** ESTABLISHED connections that a program has accepted. */
  readonly accepted: number;
  /** ESTABLISHED connections waiting in an accept queue. */
  readonly waiting: number;
  /** Handshakes whose last ACK has not arrived, was dropped, or must carry data (TCP_DEFER_ACCEPT). */
  readonly synReceived: number;
}

/**
 * Counts the server's connections.
 *
 * @param local endpoints of the server
 * @param from source addresses of the run's connections; by default, any
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function countAccepting(local: EndQuery, from?: readonly AddressRange[]): Promise<AcceptCount> {
  let count = { accepted: 0, waiting: 0, synReceived: 0 };
  await readTable(
    {
      states: (1 << TCP_ESTABLISHED) | (1 << TCP_SYN_RECV),
      local,
      ...(from ? { remote: { addresses: from } } : {}),
    },
    () => {
      count = { accepted: 0, waiting: 0, synReceived: 0 };
      // accept() assigns a socket its inode.
      return ({ state, inode }) => {
        if (state === TCP_SYN_RECV) count.synReceived++;
        else if (inode === 0) count.waiting++;
        else count.accepted++;
      };
    },
  );
  return count;
}
