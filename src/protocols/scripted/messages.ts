// Handles the WebSocket messages of scripts: joins messages that arrive in parts, and frames those to
// send.
import { CODES } from "../codes.js";
import type { Connections } from "../contract.js";
import { Leftovers } from "../leftovers.js";
import { CLOSE, FIN, MASKED, OPCODE, writeHeader } from "../websocket/frame.js";
import { StreamLink } from "./link.js";

const NONE = new Uint8Array(0);
/** Size of a header with an 8-byte length and a mask. */
const LONGEST_HEADER = 14;
const SCRATCH_BYTES = 16 * 1024;

/** Receives complete messages. */
interface MessageTaker {
  received(slot: number, bytes: Uint8Array, start: number, end: number): void;
}

/** Joins the parts of a message. Most messages arrive in one part, which is passed on without copying. */
export class MessageParts {
  private readonly leftovers = new Leftovers();
  /** The only part so far of the message being read. */
  private bytes: Uint8Array = NONE;
  private start = 0;
  private end = 0;

  /**
   * Adds bytes `start` to `end`.
   * @returns whether there was room
   */
  add(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.bytes === NONE && this.leftovers.lengthOf(slot) === 0) {
      this.bytes = bytes;
      this.start = start;
      this.end = end;
      return true;
    }
    return this.keep(slot) && this.leftovers.keep(slot, bytes, start, end);
  }

  /**
   * Copies the part added last, before its buffer is reused.
   * @returns whether there was room
   */
  keep(slot: number): boolean {
    const { bytes, start, end } = this;
    this.bytes = NONE;
    return bytes === NONE || this.leftovers.keep(slot, bytes, start, end);
  }

  /** Passes on the complete message. */
  deliver(taker: MessageTaker, slot: number): void {
    const { leftovers, bytes, start, end } = this;
    this.bytes = NONE;
    if (leftovers.lengthOf(slot) === 0) {
      taker.received(slot, bytes, start, bytes === NONE ? start : end);
      return;
    }
    const length = leftovers.join(slot, bytes, start, bytes === NONE ? start : end);
    taker.received(slot, leftovers.joined, 0, length);
  }

  drop(slot: number): void {
    this.bytes = NONE;
    this.leftovers.drop(slot);
  }
}

/** Sends each message of a script in a frame of its own, and closes with a code. */
export class WebSocketLink extends StreamLink {
  private readonly closeFrame: (slot: number, code: number) => void;
  private readonly mask: Uint8Array | undefined;
  private readonly scratch = Buffer.alloc(SCRATCH_BYTES);

  /**
   * @param closeFrame sends the frame that closes a connection
   * @param mask mask of four bytes, for a client
   */
  constructor(connections: Connections, closeFrame: (slot: number, code: number) => void, mask?: Uint8Array) {
    super(connections);
    this.closeFrame = closeFrame;
    this.mask = mask;
  }

  override send(slot: number, bytes: Uint8Array, start: number, end: number, isText: boolean): void {
    const length = end - start;
    const frame = length + LONGEST_HEADER <= SCRATCH_BYTES ? this.scratch : Buffer.alloc(length + LONGEST_HEADER);
    let at = writeHeader(frame, 0, FIN | (isText ? OPCODE.text : OPCODE.binary), length);
    const { mask } = this;
    if (mask) {
      frame[1]! |= MASKED;
      for (let n = 0; n < 4; n++) frame[at++] = mask[n]!;
      for (let n = 0; n < length; n++) frame[at + n] = bytes[start + n]! ^ mask[n & 3]!;
    } else frame.set(bytes.subarray(start, end), at);
    super.send(slot, frame, 0, at + length, isText);
  }

  override finish(slot: number): void {
    this.closeFrame(slot, CLOSE.normal);
    super.finish(slot);
  }

  override reject(slot: number, code: number): void {
    // The peer learns whether the script refused it or failed.
    this.closeFrame(slot, code >= CODES.scripted ? CLOSE.policyViolation : CLOSE.internalError);
    super.reject(slot, code);
  }
}
