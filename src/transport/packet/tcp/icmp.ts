// Handles ICMP errors about sent packets: they end a handshake, lower the segment size, or explain a later timeout.
import { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH } from "../../../linux/syscalls/errno.js";
import { ICMP_KINDS } from "../../../results/identifiers.js";
import { STATE, TCP } from "./connections.js";
import { UNKNOWN } from "./endpoints.js";
import { get16, get32, ipHeaderBytes, PROTOCOL, type Segment, TCP_HEADER, V6_HEADER } from "./segment.js";
import { retransmit } from "./sending.js";
import type { TcpState } from "./tcp-state.js";

type IcmpKind = (typeof ICMP_KINDS)[number];
/** type << 8 | code (RFC 792, RFC 1812; RFC 4443). */
const V4: Readonly<Record<number, IcmpKind>> = {
  768: "net",
  769: "host",
  770: "protocol",
  771: "port",
  772: "too-big",
  774: "net",
  775: "host",
  777: "prohibited",
  778: "prohibited",
  781: "prohibited",
  2816: "time-exceeded",
  2817: "time-exceeded",
};
const V6: Readonly<Record<number, IcmpKind>> = {
  256: "net",
  257: "prohibited",
  258: "host",
  259: "host",
  260: "port",
  512: "too-big",
  768: "time-exceeded",
  769: "time-exceeded",
  1025: "protocol",
};
/** Smallest MTU accepted from an ICMP message. */
const LEAST_MTU = { 4: 552, 6: 1280 } as const;

/** Handles an ICMP message. The packet that caused the error follows at `payloadAt`. */
export function icmpArrived(stack: TcpState, segment: Segment): void {
  const { bytes, family, payloadAt, payloadLength, icmpKind } = segment;
  const kind = (family === 4 ? V4 : V6)[icmpKind] ?? "other";
  const header = family === 4 ? (bytes[payloadAt]! & 15) << 2 : V6_HEADER;
  const protocol = bytes[payloadAt + (family === 4 ? 9 : 6)];
  if (payloadLength < header + 8 || header < ipHeaderBytes(family) || protocol !== PROTOCOL.tcp) return;
  const { connections, endpoints, records } = stack;
  const sourceAt = payloadAt + (family === 4 ? 12 : 8);
  const tcpAt = payloadAt + header;
  const remoteAt = sourceAt + (family === 4 ? 4 : 16);
  const id = endpoints.find(bytes, sourceAt, remoteAt, get16(bytes, tcpAt), get16(bytes, tcpAt + 2));
  const record = id === UNKNOWN ? -1 : records.of(id);
  // Accept only messages about data in flight (RFC 5927).
  if (record < 0 || !isUnderWay(stack, record, get32(bytes, tcpAt + 4))) return;
  stack.icmp[ICMP_KINDS.indexOf(kind)]!++;
  if (kind === "too-big") {
    const mtu = Math.max(segment.icmpMtu, LEAST_MTU[family]);
    if (!stack.limitSegments(mtu - ipHeaderBytes(family) - TCP_HEADER)) return;
    if ((connections.flags[id]! & STATE) >= TCP.established) retransmit(stack, id, record);
    return;
  }
  const errno = errnoOf(kind);
  if ((connections.flags[id]! & STATE) === TCP.synSent) stack.fail(id, errno);
  else records.softError[record] = errno;
}

function isUnderWay({ records }: TcpState, record: number, seq: number): boolean {
  return ((seq - records.sndUna[record]!) | 0) >= 0 && ((seq - records.sndMax[record]!) | 0) < 0;
}

/** Returns the errno that Linux would report. */
function errnoOf(kind: IcmpKind): number {
  if (kind === "net") return ENETUNREACH;
  return kind === "port" ? ECONNREFUSED : EHOSTUNREACH;
}
