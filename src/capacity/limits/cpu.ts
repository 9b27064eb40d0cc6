// CPU as a limit: what messages take of it, by what one was measured to cost.
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
  change:
    "more cores, fewer messages, both ends on different hosts; CPUQuota= of a systemd unit, --cpus of a container",
  privilege: "administrator",
  pitfall:
    "connections at rest take none of it, their messages do; what fourtuple's own programs take for one is less than a program takes that does something",
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
