// Entry point of a server worker thread.
import { prepareScript } from "../engine/script/host.js";
import { runWorkers } from "../engine/worker.js";
import { ServerLoop } from "./loop.js";
import type { ServeMessage, ServePlan } from "./worker-plan.js";

void runWorkers<ServePlan, ServeMessage>((worker) => new ServerLoop(worker).run(), prepareScript);
