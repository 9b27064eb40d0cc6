// All experiments, in the order in which they run.
import type { Experiment } from "./experiment.js";
import { boxBetween } from "./experiments/box-between.js";
import { changing65535 } from "./experiments/changing-65535.js";
import { fourClients } from "./experiments/four-clients.js";
import { halfOpen } from "./experiments/half-open.js";
import { livingLoad } from "./experiments/message-load.js";
import { oneServer } from "./experiments/one-server.js";
import { past65535 } from "./experiments/past-65535.js";
import { protocolCost } from "./experiments/protocol-cost.js";
import { realLimits } from "./experiments/real-limits.js";
import { sourcePorts } from "./experiments/source-ports.js";

export const EXPERIMENTS: readonly Experiment[] = [
  fourClients,
  past65535,
  sourcePorts,
  changing65535,
  realLimits,
  livingLoad,
  halfOpen,
  protocolCost,
  oneServer,
  boxBetween,
];
