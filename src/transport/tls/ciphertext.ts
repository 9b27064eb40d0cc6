// What goes down from a TLS connection: ciphertext, taken out of OpenSSL after each call and handed to the transport below. What that does
// not take waits here, and nothing more is encrypted meanwhile but what OpenSSL says of its own.
import type { TlsSessions } from "../../linux/openssl/session.js";
import { EPROTO } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import type { Transport } from "../contract.js";
import { type TlsSlots, UNSENT } from "./slots.js";

/** The longest record (RFC 8446, 5.1): what one call encrypts or decrypts. */
export const RECORD = 16_384;
/** What is encrypted before it is handed on: some records at a time. */
const WRITE_AT_ONCE = 3 * RECORD;
/** Records have a header and a tag each. */
const OUTPUT_SIZE = WRITE_AT_ONCE + 3 * 512;
/** A peer that asks for answers and reads none of them does not get more of our memory than this. */
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

  /** Encrypts and sends, until the transport below takes no more. @returns bytes of plaintext taken, or a negative errno */
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

  /** Hands on what the last call of OpenSSL has made. @returns 0, or a negative errno */
  flush(slot: number): number {
    const { output, slots } = this;
    for (;;) {
      const length = this.sessions.takeOutput(output);
      if (length === 0) return 0;
      const sent = slots.has(slot, UNSENT) ? 0 : this.below.send(slot, output, 0, length);
      if (sent < 0) return this.giveUp(sent);
      if (sent === length) continue;
      if (slots.keepUnsent(slot, output, sent, length - sent) > MOST_UNSENT) return this.giveUp(-EPROTO);
    }
  }

  /** Goes on with what waits. @returns whether all of it is sent */
  resume(slot: number): boolean {
    const waiting = this.slots.unsentOf(slot);
    const { length } = waiting.buffer.bytes;
    const sent = this.below.send(slot, waiting.buffer, waiting.start, length - waiting.start);
    // An error is told by the transport below.
    if (sent < 0) return false;
    waiting.start += sent;
    if (waiting.start < length) return false;
    this.slots.sentAll(slot);
    return true;
  }

  /** What this connection cannot send must not become another's. */
  private giveUp(errno: number): number {
    while (this.sessions.takeOutput(this.output) > 0);
    return errno;
  }
}
