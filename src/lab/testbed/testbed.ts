// The testbed: a server host and a client host, as two network namespaces or, where those cannot be made, both on this host over
// loopback. It changes nothing outside and leaves nothing behind: namespaces have no names, and live only as long as processes that
// end with this one.
import { AppError } from "../../util/errors.js";
import type { HostPair } from "./host.js";
import { openLoopback } from "./loopback.js";
import { openNamespaces } from "./namespaces.js";

/** Its close() may be called more than once. */
export interface Testbed extends HostPair, AsyncDisposable {
  /** Ends at once what runs in the hosts, as for a close() that takes too long. */
  kill(): void;
}

export interface PlaceOptions {
  /** Loopback even where namespaces could be made. */
  readonly loopback?: boolean;
  /** How many addresses the client has, 1 to 500; 4 unless given. */
  readonly clientAddresses?: number;
}

/** Each is a neighbour to the server's kernel, which remembers some 1,000 for all namespaces together (man 7 arp). */
const MAX_CLIENT_ADDRESSES = 500;

/**
 * Makes the two hosts. Its thread has to stay: programs in the hosts end with it.
 *
 * @throws {AppError} E_OPTION for a number of addresses that cannot be; E_PORT_IN_USE when the lab's ports are taken on this
 * host, over loopback
 */
export async function openTestbed({ loopback = false, clientAddresses = 4 }: PlaceOptions = {}): Promise<Testbed> {
  if (!Number.isInteger(clientAddresses) || clientAddresses < 1 || clientAddresses > MAX_CLIENT_ADDRESSES) {
    throw new AppError("E_OPTION", `the lab's client cannot have ${clientAddresses} addresses`, {
      fix: `give it 1 to ${MAX_CLIENT_ADDRESSES}`,
    });
  }
  const pair = await openPair(loopback, clientAddresses);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= pair.close();
    return closing;
  };
  const kill = () => {
    pair.client.kill();
    pair.server.kill();
  };
  return { ...pair, close, kill, [Symbol.asyncDispose]: close };
}

async function openPair(loopback: boolean, clientAddresses: number): Promise<HostPair> {
  if (loopback) return openLoopback(clientAddresses, undefined);
  try {
    return await openNamespaces(clientAddresses);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return openLoopback(clientAddresses, `network namespaces cannot be made here: ${error.message}`);
  }
}
