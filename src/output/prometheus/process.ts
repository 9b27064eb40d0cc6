// Makes metrics of this process under the names that all Prometheus client
// libraries use.
import { countOpenDescriptors, readResidentBytes } from "../../linux/proc/procfs.js";
import { readNofileLimit } from "../../linux/syscalls/rlimit.js";
import { counter, described, type Family, filled, gauge, only } from "./families.js";

const PROCESS = {
  cpu_seconds: counter("CPU time of this process, user and system."),
  resident_memory_bytes: gauge("Resident memory of this process."),
  open_fds: gauge("Open descriptors of the main thread; the threads of a run have their own descriptor tables."),
  max_fds: gauge("Soft limit on descriptors (RLIMIT_NOFILE)."),
  start_time_seconds: gauge("Start of this process, in seconds since the epoch."),
};

export const PROCESS_FAMILIES = described("process", PROCESS);

export function processFamilies(): Family[] {
  const { user, system } = process.cpuUsage();
  return filled("process", PROCESS, {
    cpu_seconds: only((user + system) / 1e6),
    resident_memory_bytes: only(readResidentBytes()),
    open_fds: only(countOpenDescriptors()),
    max_fds: only(readNofileLimit().soft),
    start_time_seconds: only(performance.timeOrigin / 1000),
  });
}
