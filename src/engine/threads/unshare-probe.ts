// A probe thread: tries to unshare its descriptor table, reports the result, and
// exits.
import { parentPort } from "node:worker_threads";
import { unshareDescriptors } from "../../linux/syscalls/unshare.js";

parentPort?.postMessage(unshareDescriptors());
