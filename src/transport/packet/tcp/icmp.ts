// Handles ICMP errors about sent packets: they end a handshake, lower the segment size, or explain a later timeout.
import {
  EACCES,
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
} from "../../../linux/syscalls/errno.js";
import { ICMP_KINDS } from "../../../results/identifiers.js";
import { STATE, TCP } from "./connections.js";
import { UNKNOWN } from "./endpoints.js";
import { get16, get32, ipHeaderBytes, PROTOCOL, type Segment, TCP_HEADER, V6_HEADER } from "./segment.js";
import { retransmit } from "./sending.js";
import type { TcpState } from "./tcp-state.js";

/** Kind of an error, and the errno that Linux reports for it. */
type IcmpError = readonly [kind: (typeof ICMP_KINDS)[number], errno: number];

/** Codes of Destination Unreachable (icmp_err_convert in net/ipv4/icmp.c). */
const UNREACHABLE_V4: readonly IcmpError[] = [
  ["net", ENETUNREACH],
  ["host", EHOSTUNREACH],
  ["protocol", ENOPROTOOPT],
  ["port", ECONNREFUSED],
  ["too-big", EMSGSIZE],
  ["other", EOPNOTSUPP],
  ["net", ENETUNREACH],
  ["host", EHOSTDOWN],
  ["other", ENONET],
  ["prohibited", ENETUNREACH],
  ["prohibited", EHOSTUNREACH],
  ["net", ENETUNREACH],
  ["host", EHOSTUNREACH],
  ["prohibited", EHOSTUNREACH],
  ["prohibited", EHOSTUNREACH],
  ["prohibited", EHOSTUNREACH],
];
/** The same for IPv6 (tab_unreach in net/ipv6/icmp.c). */
const UNREACHABLE_V6: readonly IcmpError[] = [
  ["net", ENETUNREACH],
  ["prohibited", EACCES],
  ["host", EHOSTUNREACH],
  ["host", EHOSTUNREACH],
  ["port", ECONNREFUSED],
  ["prohibited", EACCES],
  ["prohibited", EACCES],
];
const TIME_EXCEEDED: IcmpError = ["time-exceeded", EHOSTUNREACH];
const PROBLEM: IcmpError = ["other", EPROTO];
const TOO_BIG: IcmpError = ["too-big", EMSGSIZE];
/** Types of ICMP for IPv6 from here on are not errors (RFC 4443). */
const INFORMATIONAL_V6 = 128;
/** Smallest MTU accepted from an ICMP message. */
const LEAST_MTU = { 4: 552, 6: 1280 } as const;

/** Handles an ICMP message. The packet that caused the error follows at `payloadAt`. */
export function icmpArrived(stack: TcpState, segment: Segment): void {
  const { bytes, family, payloadAt, payloadLength, icmpKind } = segment;
  const error = (family === 4 ? errorOfV4 : errorOfV6)(icmpKind >>> 8, icmpKind & 0xff);
  const header = family === 4 ? (bytes[payloadAt]! & 15) << 2 : V6_HEADER;
  const protocol = bytes[payloadAt + (family === 4 ? 9 : 6)];
  if (!error || payloadLength < header + 8 || header < ipHeaderBytes(family) || protocol !== PROTOCOL.tcp) return;
  const { connections, endpoints, records } = stack;
  const sourceAt = payloadAt + (family === 4 ? 12 : 8);
  const tcpAt = payloadAt + header;
  const remoteAt = sourceAt + (family === 4 ? 4 : 16);
  const id = endpoints.find(bytes, sourceAt, remoteAt, get16(bytes, tcpAt), get16(bytes, tcpAt + 2));
  const record = id === UNKNOWN ? -1 : records.of(id);
  // Accept only messages about data in flight (RFC 5927).
  if (record < 0 || !isUnderWay(stack, record, get32(bytes, tcpAt + 4))) return;
  const [kind, errno] = error;
  stack.icmp[ICMP_KINDS.indexOf(kind)]!++;
  if (kind === "too-big") {
    const mtu = Math.max(segment.icmpMtu, LEAST_MTU[family]);
    if (!stack.limitSegments(mtu - ipHeaderBytes(family) - TCP_HEADER)) return;
    if ((connections.flags[id]! & STATE) >= TCP.established) retransmit(stack, id, record);
  } else if ((connections.flags[id]! & STATE) === TCP.synSent) stack.fail(id, errno);
  else records.softError[record] = errno;
}

function isUnderWay({ records }: TcpState, record: number, seq: number): boolean {
  return ((seq - records.sndUna[record]!) | 0) >= 0 && ((seq - records.sndMax[record]!) | 0) < 0;
}

/** @returns undefined for messages that are not errors, such as redirects, which also contain a packet */
function errorOfV4(type: number, code: number): IcmpError | undefined {
  if (type === 3) return UNREACHABLE_V4[code];
  if (type === 11) return TIME_EXCEEDED;
  return type === 12 ? PROBLEM : undefined;
}

function errorOfV6(type: number, code: number): IcmpError | undefined {
  if (type === 1) return UNREACHABLE_V6[code] ?? PROBLEM;
  if (type === 2) return TOO_BIG;
  if (type === 3) return TIME_EXCEEDED;
  return type < INFORMATIONAL_V6 ? PROBLEM : undefined;
}
