// The WebSocket server: answers upgrade requests, sends a greeting, and echoes or discards messages.
//
// Echoes are written over the bytes that have been read, because a server's unmasked frame is shorter. Many frames
// are thus echoed by one send from one buffer, and a message of any length is echoed as it arrives.
import { CODES } from "../codes.js";
import { grown } from "../columns.js";
import type { Connections } from "../contract.js";
import type { ServerMode } from "../modes.js";
import type { WebSocketSpec } from "../spec/spec.js";
import { checkUtf8, UTF8_ACCEPT, UTF8_REJECT } from "../utf8.js";
import { CLOSE, closeContent, FIN, makeFrame, OPCODE, writeHeader } from "./frame.js";
import { TEXT } from "./frame-reader.js";
import { WebSocketSide } from "./side.js";
import { answerTo } from "./upgrade.js";

/** Indices of the constants. */
const [PING, GREETING] = [0, 1] as const;
/** Length of a client's ping header: two bytes and the mask. */
const PING_HEADER = 6;
/** Means that no output is being gathered. */
const NONE = new Uint8Array(0);

export interface WebSocketServerOptions {
  readonly spec: WebSocketSpec;
  readonly mode: ServerMode;
  /** Greeting sent to each connection as a message; "" for none. */
  readonly greeting: string | Uint8Array;
  readonly closeAfterGreeting: boolean;
  readonly slots?: number;
}

export class WebSocketServer extends WebSocketSide {
  readonly slotBytes: number = 15;
  readonly constants: readonly Uint8Array[];
  private readonly spec: WebSocketSpec;
  private readonly isEcho: boolean;
  private readonly greets: boolean;
  private readonly closes: boolean;
  /** Mask of the current frame, rotated so that its first byte applies to the next content byte. */
  private keys: Uint32Array<ArrayBuffer>;
  /** Output gathered in the buffer that is being read. */
  private gathered: Uint8Array = NONE;
  private gatheredFrom = 0;
  private gatheredTo = 0;
  /** Start of the current frame in the gathered output. Everything before this position is valid. */
  private soundTo = 0;
  /** The last accepted upgrade request, and the response to it. The requests of a load test are often identical. */
  private request = Buffer.alloc(0);
  private answer = Buffer.alloc(0);

  constructor(connections: Connections, options: WebSocketServerOptions) {
    const { spec, mode, greeting, closeAfterGreeting, slots = 1024 } = options;
    super(connections, slots, { ...spec, isServer: true, ping: PING });
    this.spec = spec;
    this.isEcho = mode === "echo";
    this.greets = greeting.length > 0;
    this.closes = closeAfterGreeting;
    this.keys = new Uint32Array(slots);
    this.constants = [
      makeFrame(OPCODE.ping, new Uint8Array(0)),
      makeFrame(spec.isBinary ? OPCODE.binary : OPCODE.text, Buffer.from(greeting as Uint8Array)),
    ];
  }

  override received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    this.gathered = NONE;
    super.received(slot, bytes, start, end);
  }

  protected override grow(slot: number): void {
    super.grow(slot);
    this.keys = grown(this.keys, slot);
  }

  protected upgrade(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { connections } = this;
    if (this.request.length !== end - start || this.request.compare(bytes, start, end) !== 0) {
      const request = Buffer.from(bytes.subarray(start, end));
      const { text, refusal } = answerTo(request.toString("latin1"), this.spec);
      const answer = Buffer.from(text);
      if (refusal !== undefined) {
        connections.send(slot, answer, 0, answer.length);
        connections.refused(slot, CODES.http + refusal);
        return false;
      }
      this.request = request;
      this.answer = answer;
    }
    connections.send(slot, this.answer, 0, this.answer.length);
    return true;
  }

  protected begin(slot: number): void {
    this.connections.ready(slot);
    if (!this.greets) return;
    this.connections.sendConstant(slot, GREETING);
    if (!this.closes) return;
    this.closeWith(slot, CLOSE.normal);
    this.connections.close(slot);
  }

  protected frame(slot: number, bytes: Uint8Array, at: number, first: number, length: number, key: number): void {
    this.keys[slot] = key;
    if (!this.isEcho) return;
    this.gather(bytes, at);
    this.soundTo = this.gatheredTo;
    this.gatheredTo = writeHeader(bytes, this.gatheredTo, first, length);
  }

  protected content(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.isEcho) this.gather(bytes, start);
    // Without an echo, the content is unmasked in place.
    const to = this.isEcho ? this.gatheredTo : start;
    this.keys[slot] = unmask(bytes, start, end, to, this.keys[slot]!);
    const length = end - start;
    if (this.isEcho) this.gatheredTo += length;
    if ((this.flags[slot]! & TEXT) === 0) return true;
    this.utf8[slot] = checkUtf8(this.utf8[slot]!, bytes, to, to + length);
    return this.utf8[slot] !== UTF8_REJECT || this.takeBack();
  }

  protected message(slot: number): boolean {
    return (this.flags[slot]! & TEXT) === 0 || this.utf8[slot] === UTF8_ACCEPT || this.takeBack();
  }

  protected pong(_slot: number, bytes: Uint8Array, start: number, end: number, key: number): void {
    // The ping's header has been read too, so it can be overwritten.
    this.gather(bytes, start - PING_HEADER);
    const at = writeHeader(bytes, this.gatheredTo, FIN | OPCODE.pong, end - start);
    unmask(bytes, start, end, at, key);
    this.gatheredTo = at + end - start;
  }

  protected sendClose(slot: number, code: number): void {
    const frame = makeFrame(OPCODE.close, closeContent(code));
    this.connections.send(slot, frame, 0, frame.length);
  }

  /** Ordinary close codes count as a normal close; codes that report an error count as a refusal. */
  protected closedBy(slot: number, code: number): void {
    if (code <= CLOSE.goingAway || code === CLOSE.none || code >= 3000) this.connections.close(slot);
    else this.connections.refused(slot, CODES.webSocket + code);
  }

  protected isInFrame(slot: number): boolean {
    return this.isEcho && this.left[slot]! > 0;
  }

  protected flush(slot: number): void {
    const { gathered, gatheredFrom, gatheredTo } = this;
    this.gathered = NONE;
    if (gathered !== NONE && gatheredTo > gatheredFrom) this.connections.send(slot, gathered, gatheredFrom, gatheredTo);
  }

  /** Starts gathering output at `at`. Everything before that position has been read and may be overwritten. */
  private gather(bytes: Uint8Array, at: number): void {
    if (this.gathered !== NONE) return;
    this.gathered = bytes;
    this.gatheredFrom = this.gatheredTo = this.soundTo = at;
  }

  /** Discards the unsent part of the current frame, which is not valid UTF-8. */
  private takeBack(): false {
    if (this.isEcho) this.gatheredTo = this.soundTo;
    return false;
  }
}

/**
 * Unmasks bytes `start` to `end` into `to`, which must not be after `start`.
 * @returns mask for the bytes that follow
 */
function unmask(bytes: Uint8Array, start: number, end: number, to: number, key: number): number {
  const [a, b, c, d] = [key >>> 24, (key >>> 16) & 255, (key >>> 8) & 255, key & 255];
  let [from, at] = [start, to];
  for (; from + 4 <= end; from += 4, at += 4) {
    bytes[at] = bytes[from]! ^ a;
    bytes[at + 1] = bytes[from + 1]! ^ b;
    bytes[at + 2] = bytes[from + 2]! ^ c;
    bytes[at + 3] = bytes[from + 3]! ^ d;
  }
  const rest = end - from;
  if (rest > 0) bytes[at] = bytes[from]! ^ a;
  if (rest > 1) bytes[at + 1] = bytes[from + 1]! ^ b;
  if (rest > 2) bytes[at + 2] = bytes[from + 2]! ^ c;
  return rest === 0 ? key : ((key << (8 * rest)) | (key >>> (32 - 8 * rest))) >>> 0;
}
