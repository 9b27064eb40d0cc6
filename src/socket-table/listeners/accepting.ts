// How far a server's program has come with the connections that its kernel has for it: accepted, waiting in the accept queue, or
// in the handshake still.

import { TCP_ESTABLISHED, TCP_SYN_RECV } from "../../linux/syscalls/constants.js";
import type { AddressRange } from "../../util/address-range.js";
import type { EndQuery } from "../query.js";
import { readTable } from "../table.js";

/** Sockets at the server's end of a run's connections. */
export interface AcceptCount {
  /** ESTABLISHED, and a program's. */
  readonly accepted: number;
  /** ESTABLISHED, and nobody's yet: they wait in an accept queue. */
  readonly waiting: number;
  /** The handshake's end is not seen, was dropped, or waits for data (TCP_DEFER_ACCEPT). */
  readonly synReceived: number;
}

/**
 * @param local the server's endpoints
 * @param from where the run's connections come from; anywhere where not given
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
      // A socket gets its inode in accept().
      return ({ state, inode }) => {
        if (state === TCP_SYN_RECV) count.synReceived++;
        else if (inode === 0) count.waiting++;
        else count.accepted++;
      };
    },
  );
  return count;
}
