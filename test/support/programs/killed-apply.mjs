// Applies one change and kills itself with SIGKILL at the write: either before it, or right after it, when the journal
// has no mark yet.
import { applyPlan, KERNEL_SETTINGS } from "../../../dist/tuning/apply.js";

const { change, journal, moment } = JSON.parse(process.argv[2]);

function write(name, value) {
  if (moment === "after") KERNEL_SETTINGS.write(name, value);
  process.kill(process.pid, "SIGKILL");
  for (;;);
}

const plan = { kind: "fix", version: 1, connections: 1, isTargetMet: false, changes: [change], unknown: [] };
applyPlan(plan, journal, { ...KERNEL_SETTINGS, write });
