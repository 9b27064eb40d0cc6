// The testbed: a server host and a client host. The hosts are two network namespaces or, if those cannot be created,
// this host itself over loopback. The testbed changes nothing outside the namespaces and leaves nothing behind: the
// namespaces have no names, and the processes that keep them alive exit with this one.
import { AppError } from "../../util/errors.js";
import type { HostPair } from "./host.js";
import { openLoopback } from "./loopback.js";
import { openNamespaces } from "./namespaces.js";

/** close() may be called more than once. */
export interface Testbed extends HostPair, AsyncDisposable {
  /** Kills everything running in the hosts when close() takes too long. */
  kill(): void;
}

export interface PlaceOptions {
  /** Whether to use loopback even if namespaces can be created. */
  readonly loopback?: boolean;
  /** Number of client addresses, 1 to 500; default 4. */
  readonly clientAddresses?: number;
}

/**
 * Each address takes an entry in the server's neighbour table, which has about 1,000 for all namespaces together
 * (arp(7)).
 */
const MAX_CLIENT_ADDRESSES = 500;

/**
 * Creates the two hosts. The calling thread must stay alive, because programs in the hosts exit with it.
 *
 * @throws {AppError} E_OPTION for an invalid number of addresses; E_PORT_IN_USE if the lab's ports are in use on this
 *   host, over loopback
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
    return openLoopback(clientAddresses, `network namespaces cannot be created here: ${error.message}`);
  }
}
