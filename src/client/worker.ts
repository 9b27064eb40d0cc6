// The entry of a client's thread.
import { runShards } from "../engine/worker.js";
import { ClientLoop } from "./loop.js";
import type { ConnectMessage, ConnectPlan } from "./worker-plan.js";

await runShards<ConnectPlan, ConnectMessage>((shard) => new ClientLoop(shard).run());
