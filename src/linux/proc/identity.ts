// What tells one start of the host from another, and one network namespace from another.
import { readlinkSync } from "node:fs";
import { readText } from "./procfs.js";

/** Another one after each start of the host (man 4 random); undefined when it may not be read. */
export function readBootId(): string | undefined {
  return readText("/proc/sys/kernel/random/boot_id")?.trim();
}

/** The network namespace of this process, `net:[4026531840]` (man 7 namespaces); undefined when it may not be read. */
export function readNetNamespace(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/net");
  } catch {
    return undefined;
  }
}
