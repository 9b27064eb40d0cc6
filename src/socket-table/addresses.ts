// Maps socket addresses, both IPv4 and IPv6, to dense numbers, so that they can index typed arrays.

import { formatIpv4 } from "../linux/netlink/diag-socket.js";
import { interfaceIndex, interfaceName } from "../linux/syscalls/interface-names.js";
import { formatIp, type IpAddress, parseIp } from "../util/address.js";
import { PairIndex } from "./aggregate/dense-index.js";
import type { SocketView } from "./view.js";

/** fe80::/10 in the first word of an address, in memory order. */
const LINK_LOCAL = 0x80fe;
const LINK_LOCAL_MASK = 0xc0ff;

/** Assigns each address a number: 0, 1, 2, … An IPv4-mapped address has the number of its IPv4 address. */
export class AddressIndex {
  // An IPv4 address is the pair (address, -1). For an IPv6 address, both halves are numbered first. The address is the
  // pair of these numbers, the second of which is stored as a value below -1.
  private readonly pairs = new PairIndex();
  private readonly halves = new PairIndex();
  // A link-local address is distinct on each interface. The first number of its pair is therefore negative, and
  // encodes (high half, interface).
  private readonly zones = new PairIndex();

  get size(): number {
    return this.pairs.size;
  }

  local(socket: SocketView): number {
    const ipv4 = socket.localIpv4;
    if (ipv4 >= 0) return this.pairs.idOf(ipv4, -1);
    const high = this.high(socket.localWord(0), socket.localWord(1), socket.interfaceIndex);
    return this.pairs.idOf(high, -2 - this.halves.idOf(socket.localWord(2), socket.localWord(3)));
  }

  remote(socket: SocketView): number {
    const ipv4 = socket.remoteIpv4;
    if (ipv4 >= 0) return this.pairs.idOf(ipv4, -1);
    const high = this.high(socket.remoteWord(0), socket.remoteWord(1), socket.interfaceIndex);
    return this.pairs.idOf(high, -2 - this.halves.idOf(socket.remoteWord(2), socket.remoteWord(3)));
  }

  ofIpv4(ipv4: number): number {
    return this.pairs.idOf(ipv4, -1);
  }

  /**
   * @param words words, in memory order, of an address that must not be IPv4-mapped
   */
  ofIpv6(words: Int32Array): number {
    return this.pairs.idOf(this.halves.idOf(words[0]!, words[1]!), -2 - this.halves.idOf(words[2]!, words[3]!));
  }

  /** Returns the number of an address, even if no socket uses it. */
  of(address: IpAddress): number {
    // formatIp() writes IPv4-mapped addresses as IPv4.
    const { family, bytes, zone } = parseIp(formatIp(address));
    const view = new DataView(bytes.buffer);
    if (family === 4) return this.pairs.idOf(view.getUint32(0), -1);
    const word = (index: number) => view.getInt32(4 * index, true);
    const high = this.high(word(0), word(1), zone === undefined ? 0 : interfaceIndex(zone));
    return this.pairs.idOf(high, -2 - this.halves.idOf(word(2), word(3)));
  }

  /**
   * Compares two addresses, given as numbers; IPv4 sorts first. The numbers themselves depend on the order in which
   * the source listed its sockets.
   */
  compare(a: number, b: number): number {
    const [secondA, secondB] = [this.pairs.second(a), this.pairs.second(b)];
    if (secondA === -1 || secondB === -1) {
      if (secondA !== secondB) return secondA === -1 ? -1 : 1;
      return (this.pairs.first(a) >>> 0) - (this.pairs.first(b) >>> 0);
    }
    return (
      this.compareHalves(this.highOf(a), this.highOf(b)) ||
      this.compareHalves(-2 - secondA, -2 - secondB) ||
      this.interfaceOf(a) - this.interfaceOf(b)
    );
  }

  /** Returns the address as text. */
  text(id: number): string {
    const second = this.pairs.second(id);
    if (second === -1) return formatIpv4(this.pairs.first(id) >>> 0);
    const high = this.highOf(id);
    const low = -2 - second;
    const { halves } = this;
    const words = Int32Array.of(halves.first(high), halves.second(high), halves.first(low), halves.second(low));
    const index = this.interfaceOf(id);
    const zone = index === 0 ? {} : { zone: interfaceName(index) ?? `${index}` };
    return formatIp({ family: 6, bytes: new Uint8Array(words.buffer), ...zone });
  }

  /** Returns the number of an IPv6 address's high half; negative if it is specific to an interface. */
  private high(word0: number, word1: number, interfaceIndex: number): number {
    const half = this.halves.idOf(word0, word1);
    return interfaceIndex !== 0 && (word0 & LINK_LOCAL_MASK) === LINK_LOCAL
      ? -1 - this.zones.idOf(half, interfaceIndex)
      : half;
  }

  private highOf(id: number): number {
    const first = this.pairs.first(id);
    return first < 0 ? this.zones.first(-1 - first) : first;
  }

  private interfaceOf(id: number): number {
    const first = this.pairs.first(id);
    return first < 0 ? this.zones.second(-1 - first) : 0;
  }

  private compareHalves(a: number, b: number): number {
    const { halves } = this;
    return (
      bigEndian(halves.first(a)) - bigEndian(halves.first(b)) ||
      bigEndian(halves.second(a)) - bigEndian(halves.second(b))
    );
  }
}

/** Words are in memory order, in which the first byte is the most significant. */
function bigEndian(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}
