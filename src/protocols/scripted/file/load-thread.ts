// A thread that loads a user's protocol file, and posts a message before and after. Unlike the main thread, it can be
// terminated if the user's code does not return.
import { parentPort, workerData } from "node:worker_threads";
import { loadScript } from "./load.js";

parentPort!.postMessage("begun");
// Not awaited: the single executable runs this module as CommonJS.
void loadScript(workerData as string).then(() => parentPort!.postMessage("loaded"));
