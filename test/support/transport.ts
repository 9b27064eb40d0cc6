// Provides what tests of transports need: a handler that records events, tuples from a list, and raw sockets as peers.
import { onTestFinished } from "vitest";
import { EAGAIN } from "../../src/linux/syscalls/errno.js";
import { openEventfd } from "../../src/linux/syscalls/eventfd.js";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { SocketAddress } from "../../src/linux/syscalls/sockaddr.js";
import { closeFd, localAddress, receive, sendBytes } from "../../src/linux/syscalls/socket.js";
import type {
  ClientHandler,
  ClientTransport,
  ClientTransportOptions,
  ServerHandler,
  ServerTransport,
  ServerTransportOptions,
  Transport,
  TurnBudget,
} from "../../src/transport/contract.js";
import type { TupleSource } from "../../src/transport/tuple-source.js";
import { parseIp } from "../../src/util/address.js";
import { STEPS } from "../../src/util/steps.js";
import { ownAddress, ownPorts, sourceAddress } from "./address.js";
import { acceptAll, connectRaw, listenRaw } from "./raw-sockets.js";
import { until } from "./until.js";

/** Describes a transport to the tests. */
export interface TransportCase {
  readonly openClient: (options: ClientTransportOptions) => ClientTransport | number;
  readonly openServer: (options: ServerTransportOptions) => ServerTransport | number;
  /** True if each connection takes a descriptor of this process. */
  readonly needsDescriptors: boolean;
  /** Whether a server's connections rest before they are reported. */
  readonly restsAtFirst?: boolean;
  /** False if the kernel does not handle the connections, so that it neither binds nor routes anything for them. */
  readonly hasSockets?: boolean;
  /** Peers of the transport; plain TCP by default. */
  readonly peers?: Peers;
}

/** The peers of the connections, by descriptor. */
export interface Peers {
  /** Whether the peers are plain sockets. */
  readonly isPlain: boolean;
  /**
   * Number of bytes by which a connection may exceed its share in a turn, because an incomplete record may have arrived
   * earlier.
   */
  readonly slack: number;
  accept(listener: number): number[];
  dial(to: string, port: number): number;
  /**
   * Sends as much of `text` as is accepted.
   * @returns number of bytes sent
   */
  send(fd: number, text: string): number;
  /** Reads everything available. `end` is a negative errno, 0 for FIN, or undefined while the connection is open. */
  drain(fd: number): { text: string; end: number | undefined };
  /**
   * Does what peers do by themselves, such as their part of a handshake.
   * @param listeners sockets with connections to accept
   */
  pump(listeners: readonly number[]): void;
  /** Returns whether all handshakes are complete. */
  areReady(): boolean;
}

export const plainPeers: Peers = {
  isPlain: true,
  slack: 0,
  accept: acceptAll,
  dial: connectRaw,
  send: sendRaw,
  drain,
  pump: () => undefined,
  areReady: () => true,
};

/** Listening sockets of the current test. */
const listeners = new Set<number>();

export const BUDGET: TurnBudget = {
  ...{ readBytes: 4096, reads: 4, connectionBytes: 16_384 },
  ...{ sendBytes: 65_536, resumed: 8, accepts: 8 },
};

const TURNS_AT_ONCE = 20;

export const bytesOf = (text: string) => NativeBuffer.from(Buffer.from(text));

/** Records all events as lines such as `opened 0` or `failed 3 connect 111`. Set an `on…` callback to do more. */
export class Recorder implements ClientHandler, ServerHandler {
  readonly events: string[] = [];
  turns = 0;
  onOpened: (slot: number) => void = () => undefined;
  /** Returns how many bytes are used; by default all. */
  onReceived: (slot: number, bytes: NativeBuffer, offset: number, length: number) => number = (_s, _b, _o, length) =>
    length;
  onSent: (slot: number) => void = () => undefined;
  onClosed: (slot: number) => void = () => undefined;
  onAccepted: (slot: number) => void = () => undefined;
  private readonly texts = new Map<number, string[]>();

  /** Returns everything received in `slot`. */
  text(slot: number): string {
    return this.texts.get(slot)?.join("") ?? "";
  }

  count(event: string): number {
    return this.events.filter((line) => line === event || line.startsWith(`${event} `)).length;
  }

  awake(): void {
    this.turns++;
  }

  opened(slot: number): void {
    this.events.push(`opened ${slot}`);
    this.onOpened(slot);
  }

  accepted(slot: number): void {
    this.events.push(`accepted ${slot}`);
    this.onAccepted(slot);
  }

  acceptFailed(errno: number, isFull: boolean): void {
    this.events.push(`acceptFailed ${errno} ${isFull ? "full" : "one"}`);
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    this.events.push(`received ${slot} ${length}`);
    const used = this.onReceived(slot, bytes, offset, length);
    this.texts.set(slot, this.texts.get(slot) ?? []);
    this.texts.get(slot)!.push(bytes.bytes.toString("latin1", offset, offset + used));
    return used;
  }

  sent(slot: number): void {
    this.events.push(`sent ${slot}`);
    this.onSent(slot);
  }

  closed(slot: number): void {
    this.events.push(`closed ${slot}`);
    this.onClosed(slot);
  }

  failed(slot: number, step: number, errno: number, isOwnAnswer: boolean): void {
    this.events.push(`failed ${slot} ${STEPS[step]} ${errno}${isOwnAnswer ? " own" : ""}`);
  }
}

export interface Tuple {
  readonly from: string;
  readonly port: number;
  readonly to: { readonly ip: string; readonly port: number };
}

/** Provides tuples from a list in order, and records the calls. */
export class TupleList implements TupleSource {
  readonly kernelPicksPort = false;
  readonly isUnbound = false;
  readonly mayMeetItself: boolean;
  destination: SocketAddress;
  source: SocketAddress;
  sourcePort = 0;
  readonly said: string[] = [];
  readonly tuples: readonly Tuple[];
  private next = 0;
  private unused = -1;

  constructor(tuples: readonly Tuple[], mayMeetItself = false) {
    this.tuples = tuples;
    this.mayMeetItself = mayMeetItself;
    this.destination = this.source = new SocketAddress(parseIp("127.0.0.1"), 0);
  }

  take(slot: number, passedOver: number): number {
    const tuple = this.unused >= 0 ? this.unused : this.next++;
    this.unused = -1;
    const planned = this.tuples[tuple];
    this.said.push(`take ${tuple} for ${slot} past ${passedOver}`);
    if (!planned) return -1;
    this.destination = new SocketAddress(parseIp(planned.to.ip), planned.to.port);
    this.source = new SocketAddress(parseIp(planned.from), 0);
    this.sourcePort = planned.port;
    return tuple;
  }

  giveBack(tuple: number): void {
    this.unused = tuple;
  }

  cannotBind(tuple: number): void {
    this.said.push(`cannot bind ${tuple}`);
  }
}

/** A transport and its parts, all of which are closed at the end of the test. */
export interface UnderTest<T extends Transport> {
  readonly transport: T;
  readonly told: Recorder;
  readonly wakeFd: number;
  /** Runs turns without waiting, several at a time, until the condition holds. */
  turnUntil(what: string, holds: () => boolean): Promise<void>;
}

export function clientUnderTest(
  { openClient, peers, hasSockets }: TransportCase,
  tuples: TupleSource,
  options: Partial<ClientTransportOptions> = {},
): UnderTest<ClientTransport> {
  const told = new Recorder();
  const wakeFd = openEventfd();
  const common = { tuples, handler: told, budget: BUDGET, wakeFd, slots: 4, tableSize: 1024 };
  const ends = { resets: false, endsGreeted: undefined, fallback: undefined };
  const made = openClient({ ...common, parks: false, ...ends, ...options });
  return underTest(made, told, wakeFd, peers, hasSockets);
}

export function serverUnderTest(
  { openServer, peers, hasSockets }: TransportCase,
  listener: number,
  options: Partial<ServerTransportOptions> = {},
): UnderTest<ServerTransport> {
  const told = new Recorder();
  const wakeFd = openEventfd();
  const common = { handler: told, budget: BUDGET, wakeFd, slots: 4, tableSize: 1024, listener, ownsListener: false };
  const made = openServer({ ...common, backlog: 64, accepted: Int32Array.of(0), sendsAtRest: true, ...options });
  return underTest(made, told, wakeFd, peers, hasSockets);
}

function underTest<T extends Transport>(
  made: T | number,
  told: Recorder,
  wakeFd: number,
  peers = plainPeers,
  hasSockets = true,
): UnderTest<T> {
  if (typeof made === "number") throw new Error(`no transport: errno ${-made}`);
  onTestFinished(() => {
    made.closeAll(true, () => false);
    closeFd(wakeFd);
  });
  const turnUntil = async (what: string, holds: () => boolean) => {
    await until(
      what,
      () => {
        for (let n = 0; n < TURNS_AT_ONCE && !holds(); n++) {
          made.turn(0);
          peers.pump([...listeners]);
        }
        return { holds: holds(), events: told.events.slice(-8) };
      },
      (seen) => seen.holds,
    );
    // Otherwise, packets that the kernel sends by itself, such as the last ACK of a handshake, leave only in the next
    // turn.
    if (!hasSockets) made.turn(0);
  };
  return { transport: made, told, wakeFd, turnUntil };
}

/**
 * Reads everything available on a raw socket. `end` is a negative errno, 0 for FIN, or undefined while the connection
 * is open.
 */
export function drain(fd: number): { text: string; end: number | undefined } {
  const buffer = new NativeBuffer(65_536);
  let text = "";
  for (;;) {
    const received = receive(fd, buffer);
    if (received === -EAGAIN) return { text, end: undefined };
    if (received <= 0) return { text, end: received };
    text += buffer.bytes.toString("latin1", 0, received);
  }
}

/** Waits for the end of a peer, discarding data before it. */
export async function endOf(fd: number, peers = plainPeers): Promise<number> {
  const { end } = await until(
    "the peer's end",
    () => peers.drain(fd),
    (seen) => seen.end !== undefined,
  );
  return end!;
}

/**
 * Sends as much of `text` as the kernel accepts on a raw socket.
 * @returns number of bytes sent
 */
export function sendRaw(fd: number, text: string): number {
  const sent = sendBytes(fd, bytesOf(text), 0, text.length);
  return Math.max(0, sent);
}

/** Opens a listening raw socket, and returns tuples that lead to it. */
export function target(count: number, backlog?: number) {
  const ip = ownAddress();
  const listener = listenRaw(ip, 0, backlog === undefined ? {} : { backlog });
  listeners.add(listener);
  onTestFinished(() => {
    listeners.delete(listener);
  });
  const { port } = localAddress(listener);
  const { first } = ownPorts(count);
  const to = { ip, port };
  const from = sourceAddress();
  const tuples = Array.from({ length: count }, (_, n) => ({ from, port: first + n, to }));
  return { listener, to, from, tuples, list: new TupleList(tuples) };
}
