// Whether packets may be sent on to another address or port than they were meant for: chains of nftables and tables of iptables
// that translate addresses, services of IPVS (what kube-proxy and container runtimes set up).
import { existsSync } from "node:fs";
import { readText } from "../proc/procfs.js";
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW } from "../syscalls/constants.js";
import { EPERM } from "../syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";

/** `unknown` where the rules may not be read. */
export type Translation = "none" | "present" | "unknown";

const NETLINK_NETFILTER = 12;
/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, and NFT_MSG_NEWCHAIN that answers it. */
const GET_CHAIN = (10 << 8) | 4;
const NEW_CHAIN = (10 << 8) | 3;
const NLM_F_REQUEST_DUMP = 0x1 | 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
/** struct nfgenmsg: family (0 for all), version, resource. */
const NFGENMSG = 4;
const NFTA_CHAIN_TYPE = 7;
const RECEIVE_BYTES = 64 * 1024;

/** What this network namespace has of it. A program of eBPF that does the same cannot be seen here. */
export function readTranslation(): Translation {
  const found = [ipvs(), iptables("ip_tables_names"), iptables("ip6_tables_names"), nftables()];
  return found.find((each) => each === "present") ?? found.find((each) => each === "unknown") ?? "none";
}

/** Three lines of heading, then its services. */
function ipvs(): Translation {
  return (readText("/proc/net/ip_vs") ?? "").trim().split("\n").length > 3 ? "present" : "none";
}

function iptables(file: string): Translation {
  const path = `/proc/net/${file}`;
  const names = readText(path);
  if (names === undefined) return existsSync(path) ? "unknown" : "none";
  return names.split("\n").includes("nat") ? "present" : "none";
}

function nftables(): Translation {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  if (fd < 0) return "unknown";
  try {
    const request = Buffer.alloc(HEADER + NFGENMSG);
    request.writeUInt32LE(request.length, 0);
    request.writeUInt16LE(GET_CHAIN, 4);
    request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
    if (libc.send(fd, NativeBuffer.from(request).address, request.length, 0) < 0) return "unknown";
    const native = new NativeBuffer(RECEIVE_BYTES);
    for (;;) {
      const length = libc.recv(fd, native.address, RECEIVE_BYTES, 0);
      if (length <= 0) return lastErrno() === 0 ? "none" : "unknown";
      const found = findNatChain(native.bytes.subarray(0, length));
      if (found !== undefined) return found;
    }
  } finally {
    libc.close(fd);
  }
}

/** @returns undefined when more is to come */
export function findNatChain(datagram: Buffer): Translation | undefined {
  for (let at = 0; at + HEADER <= datagram.length; ) {
    const size = datagram.readUInt32LE(at);
    const type = datagram.readUInt16LE(at + 4);
    if (type === NLMSG_DONE) return "none";
    // Without CAP_NET_ADMIN over the namespace all of netfilter is refused; a kernel without nftables knows no such request.
    if (type === NLMSG_ERROR) return datagram.readInt32LE(at + HEADER) === -EPERM ? "unknown" : "none";
    if (type === NEW_CHAIN && chainType(datagram.subarray(at + HEADER + NFGENMSG, at + size)) === "nat")
      return "present";
    at += align(Math.max(size, HEADER));
  }
  return undefined;
}

function chainType(attributes: Buffer): string | undefined {
  for (let at = 0; at + 4 <= attributes.length; ) {
    const size = attributes.readUInt16LE(at);
    if (attributes.readUInt16LE(at + 2) === NFTA_CHAIN_TYPE)
      return attributes.toString("latin1", at + 4, at + size - 1);
    at += align(Math.max(size, 4));
  }
  return undefined;
}

const align = (bytes: number) => (bytes + 3) & ~3;
