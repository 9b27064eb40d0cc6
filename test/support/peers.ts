// Foreign peers made of Node's `net`, and both roles of ours, each ended with the test that started it.
import { once } from "node:events";
import { connect as connectNet, createServer, type Server, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import type { ConnectOptions, ConnectRun, ServeOptions, ServeRun } from "../../src/index.js";
import { ownAddress, ownPort } from "./address.js";
import { connect, serve } from "./library.js";
import { type ProcessOptions, startProgram } from "./process.js";
import { until } from "./until.js";

/** Our server, stopped at the test's end; on an address of its own and a port that the kernel chose. */
export async function startServer(options: Partial<ServeOptions> = {}): Promise<ServeRun> {
  const server = await serve({ at: `${ownAddress()}:0`, ...options });
  onTestFinished(async () => {
    await server.stop().catch(() => undefined);
  });
  return server;
}

/** Our server in a process of its own. */
export async function startServerProcess(options: Partial<ServeOptions>, processOptions?: ProcessOptions) {
  const ip = ownAddress();
  const process = startProgram("library-server", { at: `${ip}:0`, ...options }, processOptions);
  return { ip, port: Number((await process.prints(/listening (\d+)/))[1]), process };
}

/** Our client, stopped at the test's end. */
export async function startClient(options: ConnectOptions): Promise<ConnectRun> {
  const run = await connect(options);
  onTestFinished(async () => {
    await run.stop().catch(() => undefined);
  });
  return run;
}

export interface ForeignServer {
  readonly ip: string;
  readonly port: number;
  readonly at: string;
  /** Connections it has now. */
  readonly sockets: Set<Socket>;
  readonly server: Server;
}

/** A `net` server in this process, at a port of its own; `onSocket` is told of each connection. */
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

/** Listens at a port of its own; not every address is a test's own, another file may have that port of ::1. */
async function listen(server: Server, ip: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      // Room in the accept queue for all of a test's clients: this process may be busy when they come.
      await once(server.listen({ port: ownPort(), host: ip, backlog: 4096 }), "listening");
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || tries === 60) throw error;
    }
  }
}

/** A `net` server in a process of its own, at one port that the kernel chose. */
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
  /** Everything received so far. */
  received(): Buffer;
  /** Whether the peer has ended the connection. */
  hasEnded(): boolean;
  /** Waits until so many bytes have come. */
  receives(bytes: number): Promise<Buffer>;
}

/**
 * A `net` client that collects what it reads. At a foreign server of this process both ends are ESTABLISHED when it
 * returns: the server's is so only when the handshake's last packet has come, which can be after connect() has ended.
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

/** Times things: `elapsed()` is the milliseconds since. */
export function stopwatch(): () => number {
  const start = performance.now();
  return () => performance.now() - start;
}
