// Formats sockets as rows of text with the columns of `ss`. All rows share one buffer without further allocation,
// because there may be millions.
import type { SocketView } from "../../../socket-table/view.js";

const BUFFER_BYTES = 256 * 1024;
/** A size in bytes that no row reaches. */
const ROW_BYTES = 512;
const COLUMNS = { state: 12, queue: 8, endpoint: 24 } as const;
const SPACE = 32;
const COLON = 58;
const NEWLINE = 10;
const LISTEN = 10;

export interface RowColumns {
  /** Whether to add a column with the kernel memory charged to each socket, in bytes. */
  readonly memory?: boolean;
  /** True if rows come from /proc, which has neither memory figures nor the limits of accept queues. */
  readonly isFromProc?: boolean;
  /** Returns a socket's owner, for a column with the owners. */
  readonly ownerOf?: ((inode: number) => string) | undefined;
}

/** Collects rows and passes them on in large chunks. */
export class SocketRows {
  readonly #bytes = Buffer.allocUnsafe(BUFFER_BYTES);
  readonly #write: (piece: Buffer) => void;
  readonly #columns: RowColumns;
  #length = 0;

  /** @param write receives a chunk that is valid only during the call */
  constructor(write: (piece: Buffer) => void, columns: RowColumns = {}) {
    this.#write = write;
    this.#columns = columns;
  }

  header(): void {
    const { memory, ownerOf } = this.#columns;
    const start = this.#length;
    this.#text("State", start, COLUMNS.state);
    this.#text("Recv-Q", this.#length, COLUMNS.queue);
    this.#text("Send-Q", this.#length, COLUMNS.queue);
    this.#text("Local Address:Port", this.#length, COLUMNS.endpoint);
    this.#text("Peer Address:Port", this.#length, memory || ownerOf ? COLUMNS.endpoint : 0);
    if (memory) this.#text("Memory", this.#length, COLUMNS.queue);
    if (ownerOf) this.#text("Process", this.#length, 0);
    this.#bytes[this.#length++] = NEWLINE;
  }

  add(socket: SocketView): void {
    if (this.#length > BUFFER_BYTES - ROW_BYTES) this.flush();
    const { memory, isFromProc, ownerOf } = this.#columns;
    this.#text(socket.stateName, this.#length, COLUMNS.state);
    this.#number(socket.receiveQueue, COLUMNS.queue);
    if (isFromProc && socket.state === LISTEN) this.#text("-", this.#length, COLUMNS.queue);
    else this.#number(socket.sendQueue, COLUMNS.queue);
    this.#endpoint(socket.localIpv4, socket.localIpv4 < 0 ? socket.localIp : "", socket.localPort, COLUMNS.endpoint);
    const width = memory || ownerOf ? COLUMNS.endpoint : 0;
    const port = socket.state === LISTEN ? -1 : socket.remotePort;
    this.#endpoint(socket.remoteIpv4, socket.remoteIpv4 < 0 ? socket.remoteIp : "", port, width);
    if (memory && isFromProc) this.#text("-", this.#length, COLUMNS.queue);
    else if (memory) this.#number(socket.chargedBytes, COLUMNS.queue);
    if (ownerOf) this.#text(ownerOf(socket.inode), this.#length, 0);
    this.#bytes[this.#length++] = NEWLINE;
  }

  flush(): void {
    if (this.#length > 0) this.#write(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
  }

  #endpoint(ipv4: number, ip: string, port: number, width: number): void {
    const start = this.#length;
    if (ipv4 < 0) this.#text(`[${ip}]`, start, 0);
    else {
      this.#digits(ipv4 >>> 24);
      for (let shift = 16; shift >= 0; shift -= 8) {
        this.#bytes[this.#length++] = 46;
        this.#digits((ipv4 >>> shift) & 255);
      }
    }
    this.#bytes[this.#length++] = COLON;
    if (port < 0) this.#bytes[this.#length++] = 42;
    else this.#digits(port);
    if (width > 0) this.#pad(start, width);
  }

  #number(value: number, width: number): void {
    const start = this.#length;
    this.#digits(value);
    this.#pad(start, width);
  }

  #digits(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) size++;
    let rest = value;
    for (let at = this.#length + size - 1; at >= this.#length; at--) {
      this.#bytes[at] = 48 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.#length += size;
  }

  #text(text: string, start: number, width: number): void {
    // A process name may contain any character. All other text here is ASCII.
    for (let i = 0; i < text.length && i < ROW_BYTES / 4; i++) {
      const code = text.charCodeAt(i);
      this.#bytes[this.#length++] = code > 31 && code < 127 ? code : 63;
    }
    if (width > 0) this.#pad(start, width);
  }

  /** Pads a column, with at least one space to separate it from the next. */
  #pad(start: number, width: number): void {
    do this.#bytes[this.#length++] = SPACE;
    while (this.#length < start + width);
  }
}
