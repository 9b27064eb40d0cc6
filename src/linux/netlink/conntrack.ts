// Reads the TCP connections tracked by conntrack in this network namespace, via ctnetlink or else from
// /proc/net/nf_conntrack. On a router, these connections show the source ports assigned by NAT. Needs
// CAP_NET_ADMIN.
import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { parseIp } from "../../util/address.js";
import { readSysctlNumbers } from "../proc/sysctl.js";
import { IPPROTO_TCP } from "../syscalls/constants.js";
import { errnoName, errnoOf } from "../syscalls/errno.js";
import { DATAGRAM_BYTES, encodeRequest, NetlinkDump, NLM_F_DUMP, NLM_F_REQUEST } from "./netlink-dump.js";

const NETLINK_NETFILTER = 12;
/** NFNL_SUBSYS_CTNETLINK with IPCTNL_MSG_CT_GET, and with IPCTNL_MSG_CT_NEW for replies. */
const CT_GET = 0x101;
const CT_NEW = 0x100;
const NFGENMSG_BYTES = 4;
/** Attributes (linux/netfilter/nfnetlink_conntrack.h). */
const CTA = { tupleReply: 2, status: 3, protoinfo: 4 } as const;
const CTA_TUPLE = { ip: 1, proto: 2 } as const;
const CTA_IP = { v4Source: 1, v4Destination: 2, v6Source: 3, v6Destination: 4 } as const;
const CTA_PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const IPS_SRC_NAT = 1 << 4;
const TRACKED_TIME_WAIT = 7;
const TYPE_MASK = 0x3fff;
const TURN_MS = 10;

/**
 * A connection as identified by its replies, which go to the source that the destination sees. A single object is
 * reused for all connections.
 */
export interface TrackedConnection {
  family: 4 | 6;
  /** Whether the source address or port was translated (IPS_SRC_NAT). */
  isSourceTranslated: boolean;
  isTimeWait: boolean;
  /** Source as seen by the destination. */
  readonly source: Endpoint;
  /** The destination that replies, after DNAT. */
  readonly destination: Endpoint;
}

interface Endpoint {
  port: number;
  /** IPv4 in the first word; IPv6 in memory order. */
  readonly words: Int32Array;
}

/** Returns the number of tracked connections; undefined if conntrack is not loaded. */
export function countTracked(): number | undefined {
  return readSysctlNumbers("net.netfilter.nf_conntrack_count")?.[0];
}

/**
 * Visits the tracked TCP connections.
 *
 * @returns undefined, or the errno's name if the connections cannot be read
 */
export async function forEachTracked(visit: (connection: TrackedConnection) => void): Promise<string | undefined> {
  const request = encodeRequest(CT_GET, NLM_F_REQUEST | NLM_F_DUMP, new Uint8Array(NFGENMSG_BYTES));
  const dump = new NetlinkDump({ protocol: NETLINK_NETFILTER, request, types: [CT_NEW] }, DATAGRAM_BYTES);
  const reader = new MessageReader(dump.bytes, visit);
  try {
    await turns(() => dump.next(reader.read));
  } finally {
    dump.close();
  }
  if (dump.error === 0) return undefined;
  const refused = await readProc(visit);
  // Report the netlink error, because that can be fixed. A missing file only means that the kernel does not provide
  // it.
  return refused === undefined ? undefined : errnoName(-dump.error);
}

class MessageReader {
  private readonly bytes: Buffer;
  private readonly visit: (connection: TrackedConnection) => void;
  private readonly connection = emptyConnection();
  private protocol = 0;

  constructor(bytes: Buffer, visit: (connection: TrackedConnection) => void) {
    this.bytes = bytes;
    this.visit = visit;
  }

  readonly read = (offset: number, end: number): void => {
    const { bytes, connection } = this;
    connection.isSourceTranslated = false;
    connection.isTimeWait = false;
    this.protocol = 0;
    this.each(offset + NFGENMSG_BYTES, end, (type, at, until) => {
      if (type === CTA.status) connection.isSourceTranslated = (bytes.readUInt32BE(at) & IPS_SRC_NAT) !== 0;
      else if (type === CTA.tupleReply) this.readReply(at, until);
      else if (type === CTA.protoinfo) this.readState(at, until);
    });
    if (this.protocol === IPPROTO_TCP) this.visit(connection);
  };

  /** In replies, source and destination are swapped. */
  private readReply(from: number, to: number): void {
    const { source, destination } = this.connection;
    this.each(from, to, (type, at, until) => {
      if (type === CTA_TUPLE.ip) {
        this.each(at, until, (ip, place) => {
          if (ip === CTA_IP.v4Source || ip === CTA_IP.v6Source) this.copy(place, ip === CTA_IP.v4Source, destination);
          else this.copy(place, ip === CTA_IP.v4Destination, source);
        });
      } else if (type === CTA_TUPLE.proto) {
        this.each(at, until, (proto, place) => {
          if (proto === CTA_PROTO.number) this.protocol = this.bytes[place]!;
          else if (proto === CTA_PROTO.sourcePort) destination.port = this.bytes.readUInt16BE(place);
          else if (proto === CTA_PROTO.destinationPort) source.port = this.bytes.readUInt16BE(place);
        });
      }
    });
  }

  private readState(from: number, to: number): void {
    this.each(from, to, (kind, at, until) => {
      if (kind !== CTA_PROTOINFO_TCP) return;
      this.each(at, until, (type, place) => {
        if (type === CTA_PROTOINFO_TCP_STATE) this.connection.isTimeWait = this.bytes[place] === TRACKED_TIME_WAIT;
      });
    });
  }

  private copy(at: number, isIpv4: boolean, { words }: Endpoint): void {
    this.connection.family = isIpv4 ? 4 : 6;
    if (isIpv4) words[0] = this.bytes.readInt32BE(at);
    else for (let i = 0; i < 4; i++) words[i] = this.bytes.readInt32LE(at + 4 * i);
  }

  /** Visits attributes (struct nlattr: length, type) starting at `from`. */
  private each(from: number, to: number, visit: (type: number, at: number, end: number) => void): void {
    for (let at = from; at + 4 <= to; ) {
      const length = this.bytes.readUInt16LE(at);
      if (length < 4) return;
      visit(this.bytes.readUInt16LE(at + 2) & TYPE_MASK, at + 4, at + length);
      at += (length + 3) & ~3;
    }
  }
}

/** Parses `ipv4 2 tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED]`. */
export function parseTracked(line: string, connection: TrackedConnection): boolean {
  if (!/^ipv[46]\s+\d+\s+tcp\s/.test(line)) return false;
  const ends = [...line.matchAll(/src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g)];
  const [original, reply] = ends;
  if (!original || !reply) return false;
  const [, answering, seen, answeringPort, seenPort] = reply;
  connection.isSourceTranslated = original[1] !== seen || original[3] !== seenPort;
  connection.isTimeWait = line.includes(" TIME_WAIT ");
  for (const [text, port, end] of [
    [answering!, answeringPort!, connection.destination],
    [seen!, seenPort!, connection.source],
  ] as const) {
    const { family, bytes } = parseIp(text);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    connection.family = family;
    end.port = Number(port);
    if (family === 4) end.words[0] = view.getInt32(0);
    else for (let i = 0; i < 4; i++) end.words[i] = view.getInt32(4 * i, true);
  }
  return true;
}

/** @returns the errno's name if the file cannot be opened */
async function readProc(visit: (connection: TrackedConnection) => void): Promise<string | undefined> {
  let fd: number;
  try {
    fd = openSync("/proc/net/nf_conntrack", "r");
  } catch (error) {
    return errnoName(-errnoOf(error));
  }
  const buffer = Buffer.allocUnsafe(64 * 1024);
  const connection = emptyConnection();
  let rest = "";
  try {
    await turns(() => {
      const length = readSync(fd, buffer);
      const lines = (rest + buffer.toString("latin1", 0, length)).split("\n");
      rest = lines.pop()!;
      for (const line of lines) if (parseTracked(line, connection)) visit(connection);
      return length > 0;
    });
  } finally {
    closeSync(fd);
  }
  return undefined;
}

export function emptyConnection(): TrackedConnection {
  const end = () => ({ port: 0, words: new Int32Array(4) });
  return { family: 4, isSourceTranslated: false, isTimeWait: false, source: end(), destination: end() };
}

async function turns(next: () => boolean): Promise<void> {
  for (let turnMs = performance.now(); next(); ) {
    if (performance.now() - turnMs < TURN_MS) continue;
    await setImmediate();
    turnMs = performance.now();
  }
}
