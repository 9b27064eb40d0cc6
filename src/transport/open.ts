// Opens what carries a worker's connections, by the engine that was chosen for its run (choose-engine.ts). With that file, the one place
// that knows which transports there are.
import type { EngineName } from "../results/engine.js";
import type {
  ClientTransport,
  ClientTransportOptions,
  ServerTransport,
  ServerTransportOptions,
  Transport,
} from "./contract.js";
import { EpollClient } from "./kernel-epoll/client.js";
import { EpollServer } from "./kernel-epoll/server.js";
import { UringClient } from "./kernel-uring/client.js";
import { UringServer } from "./kernel-uring/server.js";
import { TlsClient } from "./tls/client.js";
import type { ClientTls, ServerTls } from "./tls/options.js";
import { TlsServer } from "./tls/server.js";
import type { TlsTransport } from "./tls/transport.js";

/**
 * @param tls wraps the connections in TLS
 * @returns a negative errno when there is nothing to wait for events with
 */
export function openClientTransport(
  engine: EngineName,
  options: ClientTransportOptions,
  tls?: ClientTls,
): ClientTransport | number {
  if (!tls) return openKernelClient(engine, options);
  const client = new TlsClient(options, tls);
  // What ends a connection is decrypted first.
  return wrapped(client, openKernelClient(engine, { ...options, handler: client, endsGreeted: undefined }));
}

/**
 * @param tls wraps the connections in TLS
 * @returns a negative errno when there is nothing to wait for events with
 * @throws {AppError} E_SYSTEM when the listening socket cannot be watched
 */
export function openServerTransport(
  engine: EngineName,
  options: ServerTransportOptions,
  tls?: ServerTls,
): ServerTransport | number {
  if (!tls) return openKernelServer(engine, options);
  const server = new TlsServer(options, tls);
  return wrapped(server, openKernelServer(engine, { ...options, handler: server, sendsAtRest: true }));
}

function openKernelClient(engine: EngineName, options: ClientTransportOptions): ClientTransport | number {
  return begun(engine === "uring" ? new UringClient(options) : new EpollClient(options));
}

function openKernelServer(engine: EngineName, options: ServerTransportOptions): ServerTransport | number {
  return begun(engine === "uring" ? new UringServer(options) : new EpollServer(options));
}

function wrapped<Below extends Transport, T extends TlsTransport<Below>>(
  transport: T,
  below: Below | number,
): T | number {
  if (typeof below === "number") transport.dispose();
  else transport.begin(below);
  return typeof below === "number" ? below : transport;
}

function begun<T extends EpollClient | EpollServer | UringClient | UringServer>(transport: T): T | number {
  const failed = transport.begin();
  if (failed >= 0) return transport;
  transport.closeAll(false, () => false);
  return failed;
}
