// Opens what carries a worker's connections, by the engine that was chosen for its run (choose-engine.ts). With that file, the one place
// that knows which transports there are.
import type { EngineName } from "../results/engine.js";
import type { ClientTransport, ClientTransportOptions, ServerTransport, ServerTransportOptions } from "./contract.js";
import { EpollClient } from "./kernel-epoll/client.js";
import { EpollServer } from "./kernel-epoll/server.js";
import { UringClient } from "./kernel-uring/client.js";

/** @returns a negative errno when there is nothing to wait for events with */
export function openClientTransport(engine: EngineName, options: ClientTransportOptions): ClientTransport | number {
  return begun(engine === "uring" ? new UringClient(options) : new EpollClient(options));
}

/**
 * @returns a negative errno when there is nothing to wait for events with
 * @throws {AppError} E_SYSTEM when the listening socket cannot be watched
 */
export function openServerTransport(options: ServerTransportOptions): ServerTransport | number {
  return begun(new EpollServer(options));
}

function begun<T extends EpollClient | EpollServer | UringClient>(transport: T): T | number {
  const failed = transport.begin();
  if (failed >= 0) return transport;
  transport.closeAll(false, () => false);
  return failed;
}
