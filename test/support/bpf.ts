// Checks whether BPF programs can be loaded here.
import { HashDump } from "../../src/linux/bpf/hash-dump.js";
import { errnoName } from "../../src/linux/syscalls/errno.js";

/** If BPF is refused, prints the reason for skipping the test. */
export function canUseBpf(): boolean {
  const dump = new HashDump({ states: 0 });
  dump.close();
  if (dump.error !== 0) console.warn(`skipped: BPF is unavailable here (${errnoName(-dump.error)})`);
  return dump.error === 0;
}
