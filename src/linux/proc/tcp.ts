// Reads the socket table from /proc/net/tcp and tcp6 if netlink is unavailable. The files are read in chunks, and each
// row is converted to the struct inet_diag_msg that sock_diag would have returned, so that both sources share one
// reader.
import { closeSync, openSync, readSync } from "node:fs";
import { DIAG_FIELD, DIAG_MESSAGE_BYTES } from "../netlink/diag-message.js";
import type { DiagVisit } from "../netlink/sock-diag.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";

const READ_BYTES = 64 * 1024;
/** The kernel returns as many rows at a time as fit into a page, so a read shorter by a row ends the table. */
const LEAST_PAGE_BYTES = 4096;
const MOST_ROW_BYTES = 256;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;
const LISTEN = 10;
/** Times are in clock ticks (USER_HZ): 100 per second on all supported architectures. */
const MS_PER_TICK = 10;

/** A single pass over one of the files. Call next() to read on, and find each socket in `bytes`. */
export class ProcTcpDump {
  /** The current socket, always at offset 0. */
  readonly bytes = Buffer.alloc(DIAG_MESSAGE_BYTES);
  /** Name of the errno if the file cannot be opened; undefined otherwise. */
  readonly openErrno: string | undefined;
  private readonly words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, DIAG_MESSAGE_BYTES / 4);
  private readonly text = Buffer.alloc(READ_BYTES);
  private readonly addressDigits: number;
  private fd = -1;
  private isAtEnd = false;
  /** Length of an incomplete row, kept at the start of `text`. */
  private kept = 0;
  private at = 0;

  constructor(path: string, isV6: boolean) {
    this.addressDigits = isV6 ? 32 : 8;
    this.bytes[DIAG_FIELD.family] = isV6 ? AF_INET6 : AF_INET;
    try {
      this.fd = openSync(path, "r");
    } catch (error) {
      this.openErrno = (error as NodeJS.ErrnoException).code ?? "EIO";
    }
  }

  /**
   * Reads the next chunk and visits the sockets of complete rows. Nothing is read after the last row: if sockets have
   * been added by then, the kernel would go back to the row with the same number in the larger table, and repeat all
   * that follow (tcp_seq_start() in net/ipv4/tcp_ipv4.c). Only a table whose last rows fill a page is read beyond its end.
   *
   * @returns false at the end, or if the visitor returned false
   */
  next(visit: DiagVisit): boolean {
    if (this.fd < 0 || this.isAtEnd) return false;
    const read = readSync(this.fd, this.text, this.kept, READ_BYTES - this.kept, null);
    if (read <= 0) return false;
    this.isAtEnd = read + MOST_ROW_BYTES <= LEAST_PAGE_BYTES;
    const length = this.kept + read;
    let start = 0;
    for (;;) {
      const end = this.text.indexOf(NEWLINE, start);
      if (end < 0 || end >= length) break;
      // The header line has no colon after a row number.
      if (this.decode(start, end) && visit(0, DIAG_MESSAGE_BYTES) === false) return false;
      start = end + 1;
    }
    this.text.copyWithin(0, start, length);
    this.kept = length - start;
    return true;
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }

  /**
   * Parses `sl: local:port remote:port state tx:rx timer:when retransmits uid timeout inode …`. Fields up to `when` are
   * hexadecimal.
   */
  private decode(start: number, end: number): boolean {
    const { text, words, bytes } = this;
    this.at = start;
    while (this.at < end && text[this.at] !== COLON) this.at++;
    if (this.at + 2 * this.addressDigits > end) return false;
    this.at += 2;
    const localPort = this.endpoint(DIAG_FIELD.localIp);
    const remotePort = this.endpoint(DIAG_FIELD.remoteIp);
    // The port is in network byte order, as in the kernel's message.
    words[1] = ((localPort & 255) << 8) | (localPort >>> 8) | ((remotePort & 255) << 24) | ((remotePort >>> 8) << 16);
    const state = this.hex(2);
    bytes[DIAG_FIELD.state] = state;
    this.at++;
    const sendQueue = this.hex(8);
    this.at++;
    // /proc has no useful send queue for a LISTEN socket; sock_diag returns the accept queue's limit there.
    words[DIAG_FIELD.sendQueue / 4] = state === LISTEN ? 0 : sendQueue;
    words[DIAG_FIELD.receiveQueue / 4] = this.hex(8);
    this.at++;
    bytes[DIAG_FIELD.timer] = this.hex(2);
    this.at++;
    words[DIAG_FIELD.expires / 4] = this.hex(8) * MS_PER_TICK;
    // Number of retransmissions.
    this.skipField();
    words[DIAG_FIELD.uid / 4] = this.decimal();
    this.skipField();
    words[DIAG_FIELD.inode / 4] = this.decimal();
    return true;
  }

  /**
   * Copies the address, which /proc prints as 32-bit numbers in host byte order.
   * @returns the port
   */
  private endpoint(field: number): number {
    for (let word = field / 4, digits = 0; digits < this.addressDigits; digits += 8) this.words[word++] = this.hex(8);
    this.at++;
    const port = this.hex(4);
    this.at++;
    return port;
  }

  private hex(digits: number): number {
    let value = 0;
    for (let i = 0; i < digits; i++) {
      const code = this.text[this.at++]!;
      // '0' is 0x30, 'A' is 0x41, 'a' is 0x61.
      value = (value << 4) | (code <= 0x39 ? code & 15 : (code & 15) + 9);
    }
    return value >>> 0;
  }

  private skipField(): void {
    while (this.text[this.at] === SPACE) this.at++;
    while (this.text[this.at] !== SPACE) this.at++;
  }

  private decimal(): number {
    while (this.text[this.at] === SPACE) this.at++;
    let value = 0;
    for (let code = this.text[this.at]!; code >= 0x30 && code <= 0x39; code = this.text[++this.at]!) {
      value = value * 10 + (code & 15);
    }
    return value;
  }
}
