// Addresses of sockets as dense numbers, IPv4 and IPv6 alike, so that they can be counted by typed arrays.
import { formatIp } from "../base/address.js";
import { formatIpv4 } from "../sys/diag-socket.js";
import { PairIndex } from "./intern.js";
import type { SocketView } from "./view.js";

/** Gives each address a number: 0, 1, 2, … An IPv4-mapped one has the number of its IPv4 address. */
export class AddressIndex {
  // An IPv4 address is the pair (address, -1); of an IPv6 address the halves are numbered first, and the pair of their
  // numbers, the second below -1, then is the address.
  private readonly pairs = new PairIndex();
  private readonly halves = new PairIndex();

  get size(): number {
    return this.pairs.size;
  }

  local(socket: SocketView): number {
    const ipv4 = socket.localIpv4;
    if (ipv4 >= 0) return this.pairs.idOf(ipv4, -1);
    const high = this.halves.idOf(socket.localWord(0), socket.localWord(1));
    return this.pairs.idOf(high, -2 - this.halves.idOf(socket.localWord(2), socket.localWord(3)));
  }

  remote(socket: SocketView): number {
    const ipv4 = socket.remoteIpv4;
    if (ipv4 >= 0) return this.pairs.idOf(ipv4, -1);
    const high = this.halves.idOf(socket.remoteWord(0), socket.remoteWord(1));
    return this.pairs.idOf(high, -2 - this.halves.idOf(socket.remoteWord(2), socket.remoteWord(3)));
  }

  /** The address as text. */
  text(id: number): string {
    const second = this.pairs.second(id);
    if (second === -1) return formatIpv4(this.pairs.first(id) >>> 0);
    const high = this.pairs.first(id);
    const low = -2 - second;
    const { halves } = this;
    const words = Int32Array.of(halves.first(high), halves.second(high), halves.first(low), halves.second(low));
    return formatIp({ family: 6, bytes: new Uint8Array(words.buffer) });
  }
}
