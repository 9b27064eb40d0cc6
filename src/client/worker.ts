// Entry point of a client worker thread.
import { prepareScript } from "../engine/script/host.js";
import { runWorkers } from "../engine/worker.js";
import { ClientLoop } from "./loop.js";
import type { ConnectMessage, ConnectPlan } from "./worker-plan.js";

void runWorkers<ConnectPlan, ConnectMessage>((worker) => new ClientLoop(worker).run(), prepareScript);
