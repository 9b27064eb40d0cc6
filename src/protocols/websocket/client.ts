// The WebSocket client: requests the upgrade, sends its message as a masked frame, and checks the answer.
//
// The key of the request and the mask are random but the same for all of a worker's connections. Requests and messages
// are therefore constants, which take no memory while waiting to be sent. RFC 6455 requires a new mask per frame so
// that a web page cannot choose the bytes that a proxy sees; here, the person who chooses the message also runs the
// program.
import { randomBytes } from "node:crypto";
import { CODES } from "../codes.js";
import type { ClientConnections, ClientProtocol } from "../contract.js";
import type { Expectation } from "../modes.js";
import type { WebSocketSpec } from "../spec/spec.js";
import { checkUtf8, UTF8_ACCEPT, UTF8_REJECT } from "../utf8.js";
import { CLOSE, closeContent, makeFrame, OPCODE } from "./frame.js";
import { OWN_MARK, TEXT } from "./frame-reader.js";
import { WebSocketSide } from "./side.js";
import { findRefusal, makeRequest } from "./upgrade.js";

/** Indices of the constants. */
const [REQUEST, CLOSING, PING, MESSAGE] = [0, 1, 2, 3] as const;
/** The message being received differs from the one sent. */
const WRONG = OWN_MARK;
/** Minimum length for which memcmp is faster than a loop. */
const WORTH_A_CALL = 64;

export interface WebSocketClientOptions {
  readonly spec: WebSocketSpec;
  readonly message?: { readonly bytes: Uint8Array; readonly expected: Expectation } | undefined;
  /** Minimum number of slots that will be used. */
  readonly slots: number;
  /** The key, 16 bytes in base64, and the mask, four bytes; both are random by default. */
  readonly key?: string;
  readonly mask?: Uint8Array;
}

export class WebSocketClient extends WebSocketSide implements ClientProtocol {
  readonly slotBytes: number = 11;
  readonly constants: readonly Uint8Array[];
  readonly isAnswered: boolean;
  readonly gathers: boolean;
  private readonly client: ClientConnections;
  private readonly spec: WebSocketSpec;
  private readonly key: string;
  private readonly mask: Uint8Array;
  /** Expected answer; undefined if any answer or none is expected. */
  private readonly echo: Buffer | undefined;
  private readonly hasMessage: boolean;
  /** The last accepted response to an upgrade request. Most responses are identical. */
  private accepted = Buffer.alloc(0);

  constructor(connections: ClientConnections, { spec, message, slots, key, mask }: WebSocketClientOptions) {
    super(connections, slots, { ...spec, isServer: false, ping: PING });
    this.client = connections;
    this.spec = spec;
    this.key = key ?? randomBytes(16).toString("base64");
    this.mask = mask ?? randomBytes(4);
    this.isAnswered = message !== undefined && message.expected !== "none";
    this.gathers = !this.isAnswered;
    this.hasMessage = message !== undefined;
    if (message?.expected === "echo") this.echo = Buffer.from(message.bytes);
    this.constants = [
      Buffer.from(makeRequest(spec, this.key)),
      makeFrame(OPCODE.close, closeContent(CLOSE.normal), this.mask),
      makeFrame(OPCODE.ping, new Uint8Array(0), this.mask),
      ...(message ? [makeFrame(spec.isBinary ? OPCODE.binary : OPCODE.text, message.bytes, this.mask)] : []),
    ];
  }

  override opened(slot: number): void {
    super.opened(slot);
    this.connections.sendConstant(slot, REQUEST);
  }

  due(slot: number): void {
    if (this.hasMessage) this.connections.sendConstant(slot, MESSAGE);
  }

  override closed(slot: number): void {
    this.account(slot, this.sizes[slot]!);
    this.sizes[slot] = 0;
    super.closed(slot);
  }

  protected upgrade(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.accepted.length === end - start && this.accepted.compare(bytes, start, end) === 0) return true;
    const head = Buffer.from(bytes.subarray(start, end));
    const code = findRefusal(head.toString("latin1"), this.spec, this.key);
    if (code !== undefined) {
      this.connections.refused(slot, code);
      return false;
    }
    this.accepted = head;
    return true;
  }

  protected begin(slot: number): void {
    this.connections.ready(slot);
  }

  protected frame(_slot: number): void {}

  protected content(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.client.shown(slot, bytes, start, end);
    const flags = this.flags[slot]!;
    const size = this.sizes[slot]!;
    const { echo } = this;
    if (echo && (flags & WRONG) === 0) {
      if (isPart(echo, size, bytes, start, end)) return true;
      this.flags[slot] = flags | WRONG;
      this.utf8[slot] = flags & TEXT ? checkUtf8(UTF8_ACCEPT, echo, 0, size) : UTF8_ACCEPT;
    }
    if ((flags & TEXT) === 0) return true;
    this.utf8[slot] = checkUtf8(this.utf8[slot]!, bytes, start, end);
    return this.utf8[slot] !== UTF8_REJECT;
  }

  protected message(slot: number): boolean {
    const flags = this.flags[slot]!;
    const size = this.sizes[slot]!;
    const { client, echo } = this;
    const isEcho = echo !== undefined && (flags & WRONG) === 0;
    if (flags & TEXT) {
      const state = isEcho ? checkUtf8(UTF8_ACCEPT, echo, 0, size) : this.utf8[slot];
      if (state !== UTF8_ACCEPT) return false;
    }
    const unanswered = client.unanswered(slot);
    const answerable = unanswered > 0 && client.isSending(slot) ? unanswered - 1 : unanswered;
    const isAnswer = this.isAnswered && answerable > 0 && (echo === undefined || (isEcho && size === echo.length));
    if (isAnswer) client.answered(slot, 1);
    else {
      if (unanswered === 0) client.delivered(Number.NaN);
      this.account(slot, size);
    }
    return true;
  }

  protected pong(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const frame = makeFrame(OPCODE.pong, bytes.subarray(start, end), this.mask);
    this.connections.send(slot, frame, 0, frame.length);
  }

  protected sendClose(slot: number, code: number): void {
    if (code === CLOSE.normal) {
      this.connections.sendConstant(slot, CLOSING);
      return;
    }
    const frame = makeFrame(OPCODE.close, closeContent(code), this.mask);
    this.connections.send(slot, frame, 0, frame.length);
  }

  protected closedBy(slot: number, code: number): void {
    this.connections.refused(slot, CODES.webSocket + code);
  }

  protected isInFrame(_slot: number): boolean {
    return false;
  }

  protected flush(_slot: number): void {}

  /** Counts content that is not an answer. */
  private account(slot: number, bytes: number): void {
    if (!this.hasMessage || bytes === 0) return;
    if (this.client.unanswered(slot) > 0) this.client.mismatched(bytes);
    else this.client.unexpected(bytes);
  }
}

/** Returns whether bytes `start` to `end` equal those of `whole` from `offset`. */
function isPart(whole: Buffer, offset: number, bytes: Uint8Array, start: number, end: number): boolean {
  const length = end - start;
  if (offset + length > whole.length) return false;
  if (length >= WORTH_A_CALL) return whole.compare(bytes, start, end, offset, offset + length) === 0;
  for (let n = 0; n < length; n++) if (bytes[start + n] !== whole[offset + n]) return false;
  return true;
}
