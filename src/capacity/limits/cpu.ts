// CPU limit on messages, based on the measured cost of a message.
import { plural } from "../../util/units.js";
import type { Limit } from "../limit.js";
import { cpuPerMessage, type Load } from "../load.js";

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
  allows: ({ cpus }, load) =>
    load.messageRatePerSec === 0 ? Number.POSITIVE_INFINITY : Math.floor(cpus / coresPerConnection(load)),
  needs: (_, load) =>
    load.messageRatePerSec === 0 ? undefined : Math.ceil(load.connections * coresPerConnection(load)),
};

function coresPerConnection(load: Load): number {
  return load.messageRatePerSec * cpuPerMessage(load);
}
