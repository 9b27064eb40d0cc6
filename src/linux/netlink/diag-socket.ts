// Reads a socket's struct inet_diag_msg in place (layout: diag-message.ts). A single object moves from socket to
// socket. Callers interpret the numbers.
import type { TcpState } from "../../results/sockets/socket-table.js";
import { type Family, formatIp, type IpAddress, isLinkLocal } from "../../util/address.js";
import { AF_INET6, TCP_STATES } from "../syscalls/constants.js";
import { interfaceName } from "../syscalls/interface-names.js";
import { DIAG_ATTRIBUTE, DIAG_FIELD, DIAG_MESSAGE_BYTES, type SocketMemory } from "./diag-message.js";
import { decodeTcpInfo, type SocketInfo } from "./tcp-info.js";

const MAPPED_WORD = 0xffff0000;
const SYN_RECV = 3;
const NEW_SYN_RECV = 12;

/** View of a socket's message in `bytes`. Numbers are in host byte order, which is little-endian here. */
export class DiagSocket {
  private readonly bytes: Uint8Array;
  private readonly words: Uint32Array;
  private at = 0;
  /** Cached name of the last interface: a kernel call for every socket would be slow. */
  private zoneIndex = 0;
  private zone = "";
  private end = 0;

  /** @param bytes buffer of messages, each at a multiple of four */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  }

  /** Moves to the message at `offset`, whose attributes end at `end`. */
  move(offset: number, end: number): this {
    this.at = offset;
    this.end = end;
    return this;
  }

  /** Returns a view of a copy of the message, which stays valid. */
  copied(): DiagSocket {
    const { at, end } = this;
    return new DiagSocket(new Uint8Array(this.bytes.subarray(at, end))).move(0, end - at);
  }

  get family(): Family {
    return this.bytes[this.at] === AF_INET6 ? 6 : 4;
  }

  get state(): number {
    const state = this.bytes[this.at + DIAG_FIELD.state]!;
    return state === NEW_SYN_RECV ? SYN_RECV : state;
  }

  get stateName(): TcpState {
    return (TCP_STATES[this.state] ?? "CLOSE") as TcpState;
  }

  get localPort(): number {
    const at = this.at + DIAG_FIELD.localPort;
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  get remotePort(): number {
    const at = this.at + DIAG_FIELD.remotePort;
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  get localIpv4(): number {
    return this.ipv4(this.at + DIAG_FIELD.localIp);
  }

  get remoteIpv4(): number {
    return this.ipv4(this.at + DIAG_FIELD.remoteIp);
  }

  get localIp(): string {
    return this.text(this.at + DIAG_FIELD.localIp);
  }

  get remoteIp(): string {
    return this.text(this.at + DIAG_FIELD.remoteIp);
  }

  get localAddress(): IpAddress {
    return this.copy(this.at + DIAG_FIELD.localIp);
  }

  get remoteAddress(): IpAddress {
    return this.copy(this.at + DIAG_FIELD.remoteIp);
  }

  /** Returns 32 bits of an IPv6 address in memory order; index 0 to 3. */
  localWord(index: number): number {
    return this.words[((this.at + DIAG_FIELD.localIp) >>> 2) + index]!;
  }

  remoteWord(index: number): number {
    return this.words[((this.at + DIAG_FIELD.remoteIp) >>> 2) + index]!;
  }

  get interfaceIndex(): number {
    return this.words[(this.at + DIAG_FIELD.interface) >>> 2]!;
  }

  get receiveQueue(): number {
    return this.words[(this.at + DIAG_FIELD.receiveQueue) >>> 2]!;
  }

  get sendQueue(): number {
    return this.words[(this.at + DIAG_FIELD.sendQueue) >>> 2]!;
  }

  get timer(): number {
    return this.bytes[this.at + DIAG_FIELD.timer]!;
  }

  get timerMs(): number {
    return this.words[(this.at + DIAG_FIELD.expires) >>> 2]!;
  }

  get uid(): number {
    return this.words[(this.at + DIAG_FIELD.uid) >>> 2]!;
  }

  /**
   * Lower 32 bits of the socket's cookie, the kernel's unique ID; 0 if read from /proc, which does not report
   * it.
   */
  get cookie(): number {
    return this.words[(this.at + DIAG_FIELD.cookie) >>> 2]!;
  }

  get inode(): number {
    return this.words[(this.at + DIAG_FIELD.inode) >>> 2]!;
  }

  get isV6Only(): boolean {
    const at = this.attribute(DIAG_ATTRIBUTE.skV6Only);
    return at !== 0 && this.bytes[at] !== 0;
  }

  get cgroupId(): number {
    const at = this.attribute(DIAG_ATTRIBUTE.cgroupId) >>> 2;
    return at === 0 ? 0 : this.words[at + 1]! * 2 ** 32 + this.words[at]!;
  }

  get memory(): SocketMemory | undefined {
    const at = this.attribute(DIAG_ATTRIBUTE.skMemInfo) >>> 2;
    if (at === 0) return undefined;
    const { words } = this;
    return {
      receiveAllocBytes: words[at]!,
      receiveBufferBytes: words[at + 1]!,
      sendAllocBytes: words[at + 2]!,
      sendBufferBytes: words[at + 3]!,
      forwardAllocBytes: words[at + 4]!,
      sendQueuedBytes: words[at + 5]!,
      optionBytes: words[at + 6]!,
      backlogBytes: words[at + 7]!,
      drops: words[at + 8]!,
    };
  }

  get info(): SocketInfo | undefined {
    const at = this.attribute(DIAG_ATTRIBUTE.info);
    if (at === 0) return undefined;
    // An attribute's length includes its four-byte header.
    const length = (this.words[(at - 4) >>> 2]! & 0xffff) - 4;
    return decodeTcpInfo(this.bytes, at, Math.min(length, this.end - at));
  }

  get chargedBytes(): number {
    const at = this.attribute(DIAG_ATTRIBUTE.skMemInfo) >>> 2;
    if (at === 0) return 0;
    const { words } = this;
    // Exclude buffer sizes, which are only limits, and bytes in flight, which are clones of queued bytes.
    return words[at]! + words[at + 4]! + words[at + 5]! + words[at + 6]! + words[at + 7]!;
  }

  /** Returns a single value of `memory` by its index (SK_MEMINFO_*), without allocating; 0 if unavailable. */
  memoryValue(index: number): number {
    const at = this.attribute(DIAG_ATTRIBUTE.skMemInfo) >>> 2;
    return at === 0 ? 0 : this.words[at + index]!;
  }

  /** Returns the offset of an attribute's payload (struct nlattr: length, type); 0 if absent. */
  private attribute(type: number): number {
    const { bytes, end } = this;
    for (let at = this.at + DIAG_MESSAGE_BYTES; at + 4 <= end; ) {
      const length = bytes[at]! | (bytes[at + 1]! << 8);
      if ((bytes[at + 2]! | (bytes[at + 3]! << 8)) === type) return at + 4;
      if (length < 4) return 0;
      at += (length + 3) & ~3;
    }
    return 0;
  }

  private isMapped(at: number): boolean {
    const word = at >>> 2;
    return this.words[word + 2] === MAPPED_WORD && this.words[word] === 0 && this.words[word + 1] === 0;
  }

  private ipv4(at: number): number {
    const { bytes } = this;
    let start = at;
    if (bytes[this.at] === AF_INET6) {
      if (!this.isMapped(at)) return -1;
      start += 12;
    }
    return ((bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!) >>> 0;
  }

  private text(at: number): string {
    const ipv4 = this.ipv4(at);
    return ipv4 < 0 ? formatIp(this.zoned({ family: 6, bytes: this.bytes.subarray(at, at + 16) })) : formatIpv4(ipv4);
  }

  private copy(at: number): IpAddress {
    const isV4 = this.ipv4(at) >= 0;
    const start = isV4 && this.family === 6 ? at + 12 : at;
    const bytes = Uint8Array.from(this.bytes.subarray(start, start + (isV4 ? 4 : 16)));
    return this.zoned({ family: isV4 ? 4 : 6, bytes });
  }

  /** Adds the zone of a link-local address, because such a socket is bound to an interface. */
  private zoned(ip: IpAddress): IpAddress {
    const index = isLinkLocal(ip) ? this.interfaceIndex : 0;
    if (index === 0) return ip;
    if (index !== this.zoneIndex) {
      this.zoneIndex = index;
      this.zone = interfaceName(index) ?? `${index}`;
    }
    return { ...ip, zone: this.zone };
  }
}

/** Formats 2130706433 as `127.0.0.1`. */
export function formatIpv4(ipv4: number): string {
  return `${ipv4 >>> 24}.${(ipv4 >>> 16) & 255}.${(ipv4 >>> 8) & 255}.${ipv4 & 255}`;
}
