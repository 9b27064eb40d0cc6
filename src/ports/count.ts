// How many sockets the kernel's own table shows: the evidence beside every count of ours. Reads sock_diag, or
// /proc/net/tcp where netlink is forbidden.
import { setImmediate } from "node:timers/promises";
import type { Family, PortRange } from "../base/address.js";
import { TCP_ESTABLISHED } from "../sys/constants.js";
import { readText } from "../sys/procfs.js";
import { DiagDump, diagLocalPort, diagRemotePort } from "../sys/sock-diag.js";

export interface PortFilter {
  /** Which end of the socket must have one of `ports`. */
  readonly end: "local" | "remote";
  readonly ports: PortRange;
  /** Bits 1 << state; default ESTABLISHED only. */
  readonly states?: number;
}

export interface SocketCount {
  readonly sockets: number;
  readonly source: "sock_diag" | "/proc/net/tcp";
}

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
async function countFamily(family: Family, { end, ports, states }: PortFilter): Promise<number | undefined> {
  const port = ports.first === ports.last ? ports.first : 0;
  const isLocal = end === "local";
  const dump = new DiagDump({
    family,
    states: states ?? 1 << TCP_ESTABLISHED,
    localPort: isLocal ? port : 0,
    remotePort: isLocal ? 0 : port,
  });
  let count = 0;
  const visit = (offset: number): void => {
    const found = isLocal ? diagLocalPort(dump.bytes, offset) : diagRemotePort(dump.bytes, offset);
    if (found >= ports.first && found <= ports.last) count++;
  };
  for (let batch = 1; dump.next(visit); batch++) if (batch % BATCHES_PER_TURN === 0) await setImmediate();
  dump.close();
  return dump.error === 0 ? count : undefined;
}

function countInProc({ end, ports, states }: PortFilter): number {
  const wanted = states ?? 1 << TCP_ESTABLISHED;
  const text = (readText("/proc/net/tcp") ?? "") + (readText("/proc/net/tcp6") ?? "");
  let count = 0;
  for (const [, local, remote, state] of text.matchAll(/^ *\d+: \w+:(\w{4}) \w+:(\w{4}) (\w\w)/gm)) {
    const port = Number.parseInt((end === "local" ? local : remote)!, 16);
    const isWanted = (wanted >>> Number.parseInt(state!, 16)) & 1;
    if (isWanted && port >= ports.first && port <= ports.last) count++;
  }
  return count;
}
