// The entry of a single connection's thread.
import { runWorkers } from "../../engine/worker.js";
import { BUDGET, ClientLoop } from "../loop.js";
import type { ConnectMessage, ConnectPlan } from "../worker-plan.js";
import { SingleEvents } from "./events.js";

// The article's client reads 512 bytes at a time, and says so for each time.
const ARTICLE_BUDGET = { ...BUDGET, readBytes: 512 };

await runWorkers<ConnectPlan, ConnectMessage>((worker) => new ClientLoop(worker, SingleEvents, ARTICLE_BUDGET).run());
