// A thread that asks for a descriptor table of its own, tells how that went, and ends.
import { parentPort } from "node:worker_threads";
import { unshareDescriptors } from "../../linux/syscalls/unshare.js";

parentPort?.postMessage(unshareDescriptors());
