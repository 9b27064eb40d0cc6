// A test protocol with features that plain TCP lacks: a handshake before a connection is ready, length-prefixed frames,
// refusals with a code, and a closing message. A frame is a length byte followed by that many bytes, of which the first
// is the type.
import { CODES, FAULT } from "../../src/protocols/codes.js";
import { grown } from "../../src/protocols/columns.js";
import type { ClientConnections, ClientProtocol, Connections, Protocol } from "../../src/protocols/contract.js";

const [HELLO, MESSAGE, REFUSAL, GOODBYE] = ["h", "m", "r", "g"].map((letter) => letter.charCodeAt(0));
export const REFUSAL_CODE = CODES.http + 77;
/** A message arrived before the hello frame. */
export const TOO_EARLY = FAULT.BAD_FRAME;
/** Encoded frames. */
export const FRAMES = { hello: "\x01h", message: "\x02mx", refusal: `\x02r${String.fromCharCode(77)}` };

const encode = (text: string) => new TextEncoder().encode(text);

abstract class Framed implements Protocol {
  readonly slotBytes = 4;
  readonly constants = [FRAMES.hello, "\x01g"].map(encode);
  readonly replies = "any";
  readonly handshake = "upgrade";
  readonly heartbeatMs = 0;
  protected readonly connections: Connections;
  /** By slot: length, received bytes and first byte of the current frame, and whether hello has been sent. */
  private lengths: Uint8Array<ArrayBuffer>;
  private come: Uint8Array<ArrayBuffer>;
  private kinds: Uint8Array<ArrayBuffer>;
  private isReady: Uint8Array<ArrayBuffer>;

  constructor(connections: Connections, slots: number) {
    this.connections = connections;
    this.lengths = new Uint8Array(slots);
    this.come = new Uint8Array(slots);
    this.kinds = new Uint8Array(slots);
    this.isReady = new Uint8Array(slots);
  }

  opened(slot: number): void {
    if (slot >= this.lengths.length) {
      this.lengths = grown(this.lengths, slot);
      this.come = grown(this.come, slot);
      this.kinds = grown(this.kinds, slot);
      this.isReady = grown(this.isReady, slot);
    }
    this.lengths[slot] = this.come[slot] = this.kinds[slot] = this.isReady[slot] = 0;
  }

  received(slot: number, bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (this.lengths[slot] === 0) {
        this.lengths[slot] = byte;
        this.come[slot] = 0;
        if (byte > 0) continue;
        // Empty frames are invalid.
        this.connections.refused(slot, FAULT.BAD_FRAME);
        return;
      }
      this.come[slot]! += 1;
      if (this.come[slot] === 1) this.kinds[slot] = byte;
      if (this.come[slot]! < this.lengths[slot]!) continue;
      const length = this.lengths[slot]!;
      this.lengths[slot] = 0;
      if (!this.frame(slot, this.kinds[slot]!, byte, length)) return;
    }
  }

  beat(_slot: number): void {}

  closing(slot: number): void {
    this.connections.sendConstant(slot, 1);
  }

  closed(_slot: number): void {}

  /** Returns the number of bytes received of an incomplete frame. */
  protected partial(slot: number): number {
    return this.lengths[slot] === 0 ? 0 : this.come[slot]! + 1;
  }

  /** @returns whether the connection continues */
  private frame(slot: number, kind: number, last: number, length: number): boolean {
    if (kind === HELLO && this.isReady[slot] === 0) {
      this.isReady[slot] = 1;
      this.greeted(slot);
      this.connections.ready(slot);
      return true;
    }
    if (kind === REFUSAL) this.connections.refused(slot, CODES.http + last);
    else if (kind === GOODBYE) this.connections.close(slot);
    else if (this.isReady[slot] === 0) this.connections.refused(slot, TOO_EARLY);
    else {
      this.message(slot, kind === MESSAGE, last, length);
      return true;
    }
    return false;
  }

  protected abstract greeted(slot: number): void;
  protected abstract message(slot: number, isMessage: boolean, last: number, length: number): void;
}

export class FramedServer extends Framed {
  private readonly echo = encode(FRAMES.message);

  protected greeted(slot: number): void {
    this.connections.sendConstant(slot, 0);
  }

  protected message(slot: number, isMessage: boolean, last: number): void {
    this.echo[2] = last;
    if (isMessage) this.connections.send(slot, this.echo, 0, this.echo.length);
  }
}

export class FramedClient extends Framed implements ClientProtocol {
  readonly isAnswered = true;
  private readonly own = encode(FRAMES.message);
  private readonly client: ClientConnections;

  constructor(connections: ClientConnections, slots: number) {
    super(connections, slots);
    this.client = connections;
  }

  override opened(slot: number): void {
    super.opened(slot);
    this.connections.sendConstant(slot, 0);
  }

  due(slot: number): void {
    this.connections.send(slot, this.own, 0, this.own.length);
  }

  override closed(slot: number): void {
    this.client.unexpected(this.partial(slot));
  }

  protected greeted(_slot: number): void {}

  protected message(slot: number, isMessage: boolean, _last: number, length: number): void {
    if (isMessage && this.client.unanswered(slot) > (this.client.isSending(slot) ? 1 : 0)) {
      this.client.answered(slot, 1);
    } else this.client.unexpected(length + 1);
  }
}
