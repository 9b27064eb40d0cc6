// Opens a worker's transport for the engine chosen for the run (choose-engine.ts). Only these two files know which
// transports exist.
import { ENOMEM } from "../linux/syscalls/errno.js";
import type { EngineName } from "../results/engine.js";
import type {
  ClientTransport,
  ClientTransportOptions,
  PacketClientPlan,
  ServerTransport,
  ServerTransportOptions,
  Transport,
} from "./contract.js";
import { EpollClient } from "./kernel-epoll/client.js";
import { EpollServer } from "./kernel-epoll/server.js";
import { UringClient } from "./kernel-uring/client.js";
import { UringServer } from "./kernel-uring/server.js";
import { PacketClient } from "./packet/client.js";
import { openDevice } from "./packet/devices/open-device.js";
import { PacketServer } from "./packet/server.js";
import { type Proxied, ProxiedServer } from "./proxied-server.js";
import { TlsClient } from "./tls/client.js";
import type { ClientTls, ServerTls } from "./tls/options.js";
import { TlsServer } from "./tls/server.js";
import type { TlsTransport } from "./tls/transport.js";

/**
 * Opens a client's transport.
 *
 * @param tls if given, wraps the connections in TLS
 * @returns the transport, or a negative errno if the transport cannot be started
 */
export function openClientTransport(
  engine: EngineName,
  options: ClientTransportOptions,
  tls?: ClientTls,
): ClientTransport | number {
  if (!tls) return openPlainClient(engine, options);
  const client = new TlsClient(options, tls);
  // TlsClient ends connections itself, after decrypting their first bytes.
  return wrapped(client, openPlainClient(engine, { ...options, handler: client, endsGreeted: undefined }));
}

/**
 * Opens a server's transport.
 *
 * @param tls wraps the connections in TLS
 * @param proxied if given, reads a PROXY protocol header first
 * @returns the transport, or a negative errno if the transport cannot be started
 * @throws {AppError} E_SYSTEM if the listening socket cannot be watched
 */
export function openServerTransport(
  engine: EngineName,
  options: ServerTransportOptions,
  tls?: ServerTls,
  proxied?: Proxied,
): ServerTransport | number {
  if (!tls) return openBelowTls(engine, options, proxied);
  const server = new TlsServer(options, tls);
  return wrapped(server, openBelowTls(engine, { ...options, handler: server, sendsAtRest: true }, proxied));
}

function openBelowTls(
  engine: EngineName,
  options: ServerTransportOptions,
  proxied: Proxied | undefined,
): ServerTransport | number {
  if (!proxied) return openPlainServer(engine, options);
  const server = new ProxiedServer(options.handler, proxied);
  const below = openPlainServer(engine, { ...options, handler: server, sendsAtRest: true });
  if (typeof below === "number") return below;
  server.begin(below);
  return server;
}

function openPlainClient(engine: EngineName, options: ClientTransportOptions): ClientTransport | number {
  return options.packet ? openPacketClient(engine, options, options.packet) : openKernelClient(engine, options);
}

function openPacketClient(
  engine: EngineName,
  options: ClientTransportOptions,
  { device: plan, tuples, ...rest }: PacketClientPlan,
): ClientTransport | number {
  const device = openDevice(plan, engine === "uring", options.wakeFd, options.fallback);
  return typeof device === "number" ? device : new PacketClient({ ...options, ...rest, device, plan: tuples });
}

function openKernelClient(engine: EngineName, options: ClientTransportOptions): ClientTransport | number {
  const client = begun(engine === "uring" ? new UringClient(options) : new EpollClient(options));
  if (client !== -ENOMEM || engine !== "uring" || !options.fallback) return client;
  options.fallback.isUsed = true;
  return begun(new EpollClient(options));
}

function openPlainServer(engine: EngineName, options: ServerTransportOptions): ServerTransport | number {
  const { packet } = options;
  if (!packet) return openKernelServer(engine, options);
  const device = openDevice(packet.device, engine === "uring", options.wakeFd, options.fallback);
  return typeof device === "number" ? device : new PacketServer({ ...options, ...packet, device });
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
  // Nothing needs to be sent before the connection closes.
  transport.closeAll(true, () => false);
  return failed;
}
