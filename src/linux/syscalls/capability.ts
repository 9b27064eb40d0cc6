// Capabilities of this process on the host, numbered as in capabilities(7).
import { readText } from "../proc/procfs.js";

export const CAP_IPC_LOCK = 14;
export const CAP_SYS_ADMIN = 21;

/** Returns whether a capability is effective on the host, rather than only in a user namespace. */
export function hasHostCapability(capability: number): boolean {
  const mask = /^CapEff:\s+([0-9a-f]+)$/m.exec(readText("/proc/self/status") ?? "")?.[1];
  // The initial user namespace maps every user to itself.
  const isFirst = /^\s*0\s+0\s+4294967295\s*$/.test(readText("/proc/self/uid_map") ?? "");
  return isFirst && mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(capability)) & 1n) === 1n;
}
