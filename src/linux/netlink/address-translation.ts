// Detects whether packets may be redirected to another address or port: nftables chains and iptables tables that
// translate addresses, and IPVS services (as set up by kube-proxy and container runtimes).
import { existsSync } from "node:fs";
import { readText } from "../proc/procfs.js";
import { EINVAL, EOPNOTSUPP } from "../syscalls/errno.js";
import { attributesOf, dumpNetlink, textOf } from "./netlink.js";

/** `unknown` if the rules cannot be read. */
export type Translation = "none" | "present" | "unknown";

const NETLINK_NETFILTER = 12;
/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN. */
const GET_CHAIN = (10 << 8) | 4;
const NO_NFTABLES = [EINVAL, EOPNOTSUPP];
/** struct nfgenmsg: family (0 for all), version, resource. */
const NFGENMSG = 4;
const NFTA_CHAIN_TYPE = 7;

/** Checks this network namespace. Translation by eBPF programs cannot be detected. */
export function readTranslation(): Translation {
  const found = [ipvs(), iptables("ip_tables_names"), iptables("ip6_tables_names"), nftables()];
  return found.find((each) => each === "present") ?? found.find((each) => each === "unknown") ?? "none";
}

/** The file has three header lines, followed by the services. */
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
  const chains = dumpNetlink(NETLINK_NETFILTER, GET_CHAIN, new Uint8Array(NFGENMSG));
  if (typeof chains !== "number") return chains.some(({ body }) => isNat(body)) ? "present" : "none";
  // Without CAP_NET_ADMIN in the namespace, all of netfilter is refused. A kernel without nftables does not know
  // this request.
  return NO_NFTABLES.includes(-chains) ? "none" : "unknown";
}

function isNat(chain: Buffer): boolean {
  return textOf(attributesOf(chain, NFGENMSG).get(NFTA_CHAIN_TYPE)) === "nat";
}
