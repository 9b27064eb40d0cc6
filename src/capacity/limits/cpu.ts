// The limit that CPU time puts on messages and heartbeats, based on their
// measured cost.
import { plural } from "../../util/units.js";
import type { Limit } from "../limit.js";
import { cpuPerMessage, heartbeatCores, type Load } from "../load.js";

export const cpu: Limit = {
  id: "cpu",
  name: "CPU time",
  unit: "cores",
  scope: "host",
  caps: "messages",
  side: "both",
  source: "man 2 sched_getaffinity; Linux admin-guide/cgroup-v2.rst, cpu.max",
  change: "more cores, fewer messages, or one end on another host; CPUQuota= in a systemd unit, --cpus for a container",
  privilege: "administrator",
  pitfall:
    "idle connections use no CPU, messages do; fourtuple's own programs use less per message than a program that does real work",
  read: ({ cpus }) => cpus,
  describe: ({ cpus, cores }) => (cpus < cores ? `${cpus} of ${plural(cores, "core")}` : plural(cores, "core")),
  allows: ({ cpus }, load) => {
    const each = coresPerConnection(load);
    return each === 0 ? Number.POSITIVE_INFINITY : Math.floor(cpus / each);
  },
  needs: (_, load) => Math.ceil(load.connections * coresPerConnection(load)) || undefined,
};

function coresPerConnection(load: Load): number {
  return load.messageRatePerSec * cpuPerMessage(load) + heartbeatCores(load);
}
