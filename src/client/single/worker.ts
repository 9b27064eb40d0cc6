// Entry point of a single connection's worker thread.
import { prepareScript } from "../../engine/script/host.js";
import { runWorkers } from "../../engine/worker.js";
import { BUDGET, ClientLoop } from "../loop.js";
import type { ConnectMessage, ConnectPlan } from "../worker-plan.js";
import { SingleEvents } from "./events.js";

// Like the client in the blog post on the 65,535 myth, read 512 bytes at a time and print a line for each read.
const ARTICLE_BUDGET = { ...BUDGET, readBytes: 512 };

void runWorkers<ConnectPlan, ConnectMessage>(
  (worker) => new ClientLoop(worker, SingleEvents, ARTICLE_BUDGET).run(),
  prepareScript,
);
