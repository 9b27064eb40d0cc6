// Event loop of a server worker: accepts, greets, answers and holds connections until told to stop. Transport events
// are handled in events.ts.

import type { RoleWorker } from "../engine/worker.js";
import { COMMAND, CONTROL } from "../engine/worker-memory.js";
import { freeContext, serverContext } from "../linux/openssl/context.js";
import type { TlsSettings } from "../linux/openssl/settings.js";
import { ENODEV } from "../linux/syscalls/errno.js";
import { RST_ABOVE } from "../planning/close-mode.js";
import type { ServerTransport } from "../transport/contract.js";
import { openServerTransport } from "../transport/open.js";
import type { ServerTls } from "../transport/tls/options.js";
import { AppError } from "../util/errors.js";
import { ServerEvents } from "./events.js";
import { type ServeMessage, type ServePlan, SHARED } from "./worker-plan.js";

// Limits per turn. Remaining work waits for later turns, so that no peer monopolizes the thread. A connection gets one
// full buffer per turn, or a few partial ones.
const BUDGET = {
  readBytes: 64 * 1024,
  reads: 4,
  connectionBytes: 64 * 1024,
  sendBytes: 256 * 1024,
  resumed: 16,
  accepts: 64,
};
/**
 * A turn without kernel sockets handles hundreds of packets, a third of which may complete handshakes. If fewer
 * connections were accepted, a server at its limit would only fill its accept queue.
 */
const PACKET_ACCEPTS = 256;
const SLOTS_AT_FIRST = 4096;
/** Interval at which a server without epoll watches checks whether connections have ended. */
const FULL_MS = 100;

export class ServerLoop {
  private readonly worker: RoleWorker<ServePlan, ServeMessage>;
  private readonly events: ServerEvents;
  private readonly transport: ServerTransport;
  /** Whether the device works without io_uring, which could not lock enough memory. */
  private readonly hasFallenBack: boolean;

  /** @throws {AppError} E_WORKER or E_SYSTEM if the transport cannot be opened */
  constructor(worker: RoleWorker<ServePlan, ServeMessage>) {
    const { plan } = worker;
    this.worker = worker;
    this.events = new ServerEvents(worker);
    const fallback = plan.fallsBack ? { connections: 0, isUsed: false } : undefined;
    const transport = openServerTransport(
      plan.engine,
      {
        handler: this.events,
        budget: plan.packet ? { ...BUDGET, accepts: PACKET_ACCEPTS } : BUDGET,
        wakeFd: worker.wakeFd,
        slots: SLOTS_AT_FIRST,
        tableSize: plan.tableSize,
        listener: worker.localDescriptor(plan.listener),
        // If the threads share one descriptor table, the main thread closes the listening socket.
        ownsListener: !worker.sharesTable,
        packet: plan.packet,
        fallback,
        backlog: plan.backlog,
        accepted: new Int32Array(plan.shared, SHARED.accepted * 4, 1),
        sendsAtRest: this.events.sendsAtRest,
      },
      plan.tls && this.tls(plan.tls),
      plan.proxyProtocol ? { events: this.events, timeoutMs: plan.handshakeTimeoutMs } : undefined,
    );
    if (typeof transport === "number") throw worker.cannotBegin(transport);
    this.hasFallenBack = fallback?.isUsed === true;
    this.transport = transport;
    this.events.begin(transport);
  }

  /** @throws {AppError} E_LISTEN if another program closes the listening socket, or removes the device */
  run(): void {
    const { worker, events, transport } = this;
    const shared = new Int32Array(worker.plan.shared);
    worker.send({ type: "listening", hasFallenBack: this.hasFallenBack });
    try {
      while (worker.command === COMMAND.run) {
        const isPaused = Atomics.load(worker.memory.control, CONTROL.paused) !== 0;
        events.beginTurn(isPaused);
        const isFull = Atomics.load(shared, SHARED.open) >= worker.plan.watches;
        transport.accepts = !isPaused && !isFull;
        // Other workers do not say when one of their connections ends.
        transport.turn(isFull ? Math.min(events.waitMs(), FULL_MS) : events.waitMs());
        events.endTurn();
        if (events.lostListener !== 0 && worker.command === COMMAND.run) throw lostListener(events.lostListener);
      }
      if (worker.command === COMMAND.stop) this.closeAll();
    } finally {
      events.dispose();
      transport.dispose();
    }
  }

  private tls(settings: TlsSettings): ServerTls {
    const { handshakeTimeoutMs } = this.worker.plan;
    return { context: serverContext(settings), freeContext, events: this.events, handshakeTimeoutMs };
  }

  private closeAll(): void {
    const resets = Atomics.load(new Int32Array(this.worker.plan.shared), SHARED.open) > RST_ABOVE;
    this.events.finish(resets);
    this.transport.closeAll(resets, () => this.worker.command === COMMAND.abort);
  }
}

function lostListener(errno: number): AppError {
  if (errno === ENODEV) {
    return new AppError(
      "E_LISTEN",
      "another program removed the server's TUN device or its routes, or brought it down",
      {
        fix: "find out what manages network interfaces here, and make it leave fourtuple's alone",
      },
    );
  }
  return new AppError("E_LISTEN", "another program closed the listening socket", {
    fix: "find out what runs ss -K or uses SOCK_DESTROY",
  });
}
