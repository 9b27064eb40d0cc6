// Identifies the boot and the network namespace.
import { readlinkSync } from "node:fs";
import { readText } from "./procfs.js";

/** Returns an ID that changes with every boot (random(4)); undefined if it cannot be read. */
export function readBootId(): string | undefined {
  return readText("/proc/sys/kernel/random/boot_id")?.trim();
}

/** Returns this process's network namespace, `net:[4026531840]` (namespaces(7)); undefined if it cannot be read. */
export function readNetNamespace(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/net");
  } catch {
    return undefined;
  }
}
