// The entry of a server's thread.
import { runShards } from "../engine/worker.js";
import { ServerLoop } from "./loop.js";
import type { ServeMessage, ServePlan } from "./worker-plan.js";

await runShards<ServePlan, ServeMessage>((shard) => new ServerLoop(shard).run());
