// Independent peers with Node's `net`, and both roles of the library. Each is stopped at the end of the test that
// started it.
import { once } from "node:events";
import { connect as connectNet, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { ConnectOptions, ConnectRun, ServeOptions, ServeRun } from "../../src/index.js";
import { ownAddress, ownPort } from "./address.js";
import { byEngine } from "./engine.js";
import { connect, serve } from "./library.js";
import { type ProcessOptions, startProgram } from "./process.js";
import { until } from "./until.js";

/**
 * Starts fourtuple's server at a separate address, on a port chosen by the kernel. It is stopped at the end of the
 * test.
 */
export async function startServer(options: Partial<ServeOptions> = {}): Promise<ServeRun> {
  const server = await serve(byEngine({ at: `${ownAddress()}:0`, ...options }));
  onTestFinished(async () => {
    await server.stop().catch(() => undefined);
  });
  return server;
}

/** Starts fourtuple's server in a separate process. */
export async function startServerProcess(options: Partial<ServeOptions>, processOptions?: ProcessOptions) {
  const ip = ownAddress();
  const process = startProgram("library-server", { at: `${ip}:0`, ...options }, processOptions);
  return { ip, port: Number((await process.prints(/listening (\d+)/))[1]), process };
}

/** Starts fourtuple's client. It is stopped at the end of the test. */
export async function startClient(options: ConnectOptions): Promise<ConnectRun> {
  const run = await connect(byEngine(options));
  onTestFinished(async () => {
    await run.stop().catch(() => undefined);
  });
  return run;
}

export interface ForeignServer {
  readonly ip: string;
  readonly port: number;
  readonly at: string;
  /** The server's current connections. */
  readonly sockets: Set<Socket>;
  readonly server: Server;
}

/** Starts a `net` server in this process at its own port; calls `onSocket` for each connection. */
export async function startForeignServer(
  onSocket: (socket: Socket) => void = () => undefined,
  ip = ownAddress(),
): Promise<ForeignServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
    onSocket(socket);
    socket.resume();
  });
  await listen(server, ip);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { ip, port, at: ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`, sockets, server };
}

/**
 * Listens at its own port. Retries, because some addresses are not exclusive to a test: another test file may use that
 * port on ::1.
 */
async function listen(server: Server, ip: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      // Make room in the accept queue for all of a test's clients, because this process may be busy when they connect.
      await once(server.listen({ port: ownPort(), host: ip, backlog: 4096 }), "listening");
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || tries === 60) throw error;
    }
  }
}

/** Starts a `net` server in its own process, at a port chosen by the kernel. */
export async function startForeignServerProcess(
  options: {
    host: string;
    greeting?: string;
    echo?: boolean;
    logPeers?: boolean;
    idleMs?: number;
    closeEvery?: number;
  },
  processOptions?: ProcessOptions,
) {
  const server = startProgram("node-server", options, processOptions);
  await server.prints(/ready/);
  return Object.assign(server, { port: Number(/listening (\d+)/.exec(server.stdout)![1]) });
}

export interface ForeignClient {
  readonly socket: Socket;
  /** Returns everything received so far. */
  received(): Buffer;
  /** Returns whether the peer has ended the connection. */
  hasEnded(): boolean;
  /** Waits until this many bytes have been received. */
  receives(bytes: number): Promise<Buffer>;
}

/**
 * Connects a `net` client that collects what it reads. If the server is in this process, both ends are ESTABLISHED when
 * it returns; the server's end becomes so only with the last packet of the handshake, which may arrive after connect()
 * has finished.
 */
export async function connectForeign(
  to: { readonly ip: string; readonly port: number } | ForeignServer,
): Promise<ForeignClient> {
  const socket = connectNet({ host: to.ip, port: to.port, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let ended = false;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("end", () => {
    ended = true;
  });
  socket.on("close", () => {
    ended = true;
  });
  socket.on("error", () => undefined);
  onTestFinished(() => {
    socket.destroy();
  });
  if (socket.connecting) await Promise.race([once(socket, "connect"), once(socket, "close")]);
  if ("sockets" in to) {
    const { localPort } = socket;
    const isAccepted = () => ended || [...to.sockets].some(({ remotePort }) => remotePort === localPort);
    await until("the server has accepted the connection", isAccepted);
  }
  const received = () => Buffer.concat(chunks);
  return {
    socket,
    received,
    hasEnded: () => ended,
    async receives(bytes) {
      await until(
        `${bytes} bytes received`,
        () => chunks.reduce((sum, { length }) => sum + length, 0),
        (length) => length >= bytes,
      );
      return received();
    },
  };
}

/** Returns a function that returns the milliseconds elapsed since this call. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
