// Sends the ciphertext of TLS connections: takes it from OpenSSL after each call and passes it to the transport below.
// Ciphertext that the transport does not accept is queued here. Until queued ciphertext has been sent, no more
// application data is encrypted; only OpenSSL's own messages are added.
import type { TlsSessions } from "../../linux/openssl/session.js";
import { EPROTO } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { FAULT } from "../../protocols/codes.js";
import type { Transport } from "../contract.js";
import { type TlsSlots, UNSENT } from "./slots.js";

/**
 * Maximum size of a record's plaintext (RFC 8446, section 5.1), which is the most that one call encrypts or decrypts.
 */
export const RECORD = 16_384;
/** Amount of plaintext to encrypt before passing on the ciphertext: a few records. */
const WRITE_AT_ONCE = 3 * RECORD;
/** Each record adds a header and a tag. */
const OUTPUT_SIZE = WRITE_AT_ONCE + 3 * 512;
/**
 * Maximum pending ciphertext per connection. A peer that requests data without reading any cannot make this side use
 * more memory.
 */
const MOST_UNSENT = 256 * 1024;

export class Ciphertext {
  private readonly sessions: TlsSessions;
  private readonly slots: TlsSlots;
  private readonly below: Transport;
  private readonly output = new NativeBuffer(OUTPUT_SIZE);

  constructor(sessions: TlsSessions, slots: TlsSlots, below: Transport) {
    this.sessions = sessions;
    this.slots = slots;
    this.below = below;
  }

  /**
   * Encrypts and sends until the transport below accepts no more.
   * @returns bytes of plaintext accepted, or a negative errno
   */
  encrypt(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const { slots, sessions } = this;
    const connection = slots.connections[slot]!;
    let sent = 0;
    while (sent < length && !slots.has(slot, UNSENT)) {
      const end = Math.min(length, sent + WRITE_AT_ONCE);
      while (sent < end) {
        const taken = sessions.write(connection, bytes.address + offset + sent, end - sent);
        if (taken <= 0) return -EPROTO;
        sent += taken;
      }
      const errno = this.flush(slot);
      if (errno < 0) return errno;
    }
    return sent;
  }

  /**
   * Sends the output of the last OpenSSL call.
   * @returns 0, or a negative errno
   */
  flush(slot: number): number {
    const { output, slots } = this;
    for (;;) {
      const length = this.sessions.takeOutput(output);
      if (length === 0) return 0;
      const sent = slots.has(slot, UNSENT) ? 0 : this.below.send(slot, output, 0, length);
      if (sent < 0) return this.giveUp(sent);
      if (sent === length) continue;
      if (slots.keepUnsent(slot, output, sent, length - sent) > MOST_UNSENT) return this.giveUp(-EPROTO);
      if (slots.isFull) return this.giveUp(-FAULT.BUFFERS_FULL);
    }
  }

  /**
   * Continues to send queued ciphertext.
   * @returns whether all of the ciphertext has been sent
   */
  resume(slot: number): boolean {
    const waiting = this.slots.unsentOf(slot);
    const { length } = waiting.buffer.bytes;
    const sent = this.below.send(slot, waiting.buffer, waiting.start, length - waiting.start);
    // The transport below will report the error.
    if (sent < 0) return false;
    waiting.start += sent;
    if (waiting.start < length) return false;
    this.slots.sentAll(slot);
    return true;
  }

  /**
   * Discards this connection's output, so that it is not sent over another connection, because all connections share
   * the output buffer.
   */
  private giveUp(errno: number): number {
    while (this.sessions.takeOutput(this.output) > 0);
    return errno;
  }
}
