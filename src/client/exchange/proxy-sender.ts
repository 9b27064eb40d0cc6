// Sends the PROXY protocol header over each new connection, with that connection's addresses.
import { EAGAIN, ENOTCONN } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import type { ProxyVersion } from "../../protocols/proxy-protocol/format.js";
import { PROXY_HEADER_SIZE, writeProxyHeader } from "../../protocols/proxy-protocol/writer.js";
import type { Transport } from "../../transport/contract.js";

export class ProxySender {
  private readonly version: ProxyVersion;
  private readonly header = new NativeBuffer(PROXY_HEADER_SIZE);

  constructor(version: ProxyVersion) {
    this.version = version;
  }

  /**
   * @returns number of bytes sent, or a negative errno; -EAGAIN if only part of the header was sent, which leaves the
   *   connection unusable
   */
  send(slot: number, transport: Transport): number {
    const ends = transport.addresses(slot);
    if (typeof ends === "number") return ends;
    if (!ends.remote) return -ENOTCONN;
    const length = writeProxyHeader(this.header.bytes, this.version, ends.local, ends.remote);
    const sent = transport.send(slot, this.header, 0, length);
    return sent < 0 || sent === length ? sent : -EAGAIN;
  }
}
