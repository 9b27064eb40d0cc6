// Chooses what carries a worker's connections and opens it: the one place that knows which transports there are. kernel-uring/ is
// not among them yet: it has a client only, and no run has been measured to gain by it.
import type { ClientTransport, ClientTransportOptions, ServerTransport, ServerTransportOptions } from "./contract.js";
import { EpollClient } from "./kernel-epoll/client.js";
import { EpollServer } from "./kernel-epoll/server.js";

/** @returns a negative errno when there is nothing to wait for events with */
export function openClientTransport(options: ClientTransportOptions): ClientTransport | number {
  return begun(new EpollClient(options));
}

/**
 * @returns a negative errno when there is nothing to wait for events with
 * @throws {AppError} E_SYSTEM when the listening socket cannot be watched
 */
export function openServerTransport(options: ServerTransportOptions): ServerTransport | number {
  return begun(new EpollServer(options));
}

function begun<T extends EpollClient | EpollServer>(transport: T): T | number {
  const failed = transport.begin();
  if (failed >= 0) return transport;
  transport.closeAll(false, () => false);
  return failed;
}
