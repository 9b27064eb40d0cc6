// How many sockets the kernel's own table shows: the evidence beside every count of ours. Reads sock_diag, or
// /proc/net/tcp where netlink is forbidden.
import { setImmediate } from "node:timers/promises";
import { type Family, formatIp, type IpAddress, type PortRange } from "../base/address.js";
import { TCP_ESTABLISHED } from "../sys/constants.js";
import { readText } from "../sys/procfs.js";
import { DIAG_LOCAL_IP, DIAG_REMOTE_IP, DiagDump, diagLocalPort, diagRemotePort } from "../sys/sock-diag.js";

export interface PortFilter {
  /** Which end of the socket must have one of `ports`. */
  readonly end: "local" | "remote";
  readonly ports: PortRange;
  /** That end's address must be one of these; any where not given. */
  readonly ips?: readonly IpAddress[];
  /** Bits 1 << state; default ESTABLISHED only. */
  readonly states?: number;
}

export interface SocketCount {
  readonly sockets: number;
  readonly source: "sock_diag" | "/proc/net/tcp";
}

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

// The main thread must go on answering while millions pass: after so many batches others have their turn.
const BATCHES_PER_TURN = 64;

/** Counts the TCP sockets, IPv4 and IPv6, of this network namespace that pass the filter. */
export async function countSockets(filter: PortFilter): Promise<SocketCount> {
  const v4 = await countFamily(4, filter);
  const v6 = v4 === undefined ? undefined : await countFamily(6, filter);
  if (v4 === undefined || v6 === undefined) return { sockets: countInProc(filter), source: "/proc/net/tcp" };
  return { sockets: v4 + v6, source: "sock_diag" };
}

/** @returns undefined where netlink is not to be had */
async function countFamily(family: Family, { end, ports, ips, states }: PortFilter): Promise<number | undefined> {
  const port = ports.first === ports.last ? ports.first : 0;
  const isLocal = end === "local";
  const dump = new DiagDump({
    family,
    states: states ?? 1 << TCP_ESTABLISHED,
    localPort: isLocal ? port : 0,
    remotePort: isLocal ? 0 : port,
  });
  let count = 0;
  const wantedIps = ips?.map((ip) => ipBytes(ip, family));
  const ipOffset = isLocal ? DIAG_LOCAL_IP : DIAG_REMOTE_IP;
  const visit = (offset: number): void => {
    const found = isLocal ? diagLocalPort(dump.bytes, offset) : diagRemotePort(dump.bytes, offset);
    if (found < ports.first || found > ports.last) return;
    const at = offset + ipOffset;
    if (!wantedIps || wantedIps.some((ip) => ip && dump.bytes.compare(ip, 0, ip.length, at, at + ip.length) === 0))
      count++;
  };
  for (let batch = 1; dump.next(visit); batch++) if (batch % BATCHES_PER_TURN === 0) await setImmediate();
  dump.close();
  return dump.error === 0 ? count : undefined;
}

/** An address as a socket of `family` has it: IPv6 sockets show IPv4 peers as mapped. */
function ipBytes(ip: IpAddress, family: Family): Uint8Array | undefined {
  if (ip.family === family) return ip.bytes;
  return family === 6 ? Uint8Array.of(...MAPPED_PREFIX, ...ip.bytes) : undefined;
}

function countInProc({ end, ports, ips, states }: PortFilter): number {
  const wanted = states ?? 1 << TCP_ESTABLISHED;
  const wantedIps = ips && new Set(ips.map(formatIp));
  const text = (readText("/proc/net/tcp") ?? "") + (readText("/proc/net/tcp6") ?? "");
  let count = 0;
  for (const match of text.matchAll(/^ *\d+: (\w+):(\w{4}) (\w+):(\w{4}) (\w\w)/gm)) {
    const [ip, portHex] = end === "local" ? [match[1]!, match[2]!] : [match[3]!, match[4]!];
    const port = Number.parseInt(portHex, 16);
    const isWanted = (wanted >>> Number.parseInt(match[5]!, 16)) & 1;
    if (!isWanted || port < ports.first || port > ports.last) continue;
    if (!wantedIps || wantedIps.has(formatIp(parseProcIp(ip)))) count++;
  }
  return count;
}

/** /proc prints an address as 32-bit numbers in host order: little-endian on x64 and arm64. */
function parseProcIp(hex: string): IpAddress {
  const bytes = Buffer.from(hex, "hex").swap32();
  return { family: bytes.length === 4 ? 4 : 6, bytes };
}
