// Fills and empties a table of many slots in a thread with the heap size of a worker, first at once and then in
// batches. Prints `done`.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { ConnectionTable } from "../../../dist/transport/kernel-epoll/connection-table.js";
import { SlotQueue } from "../../../dist/transport/slot-queue.js";

// Use descriptors that do not exist: closing them fails and has no other effect.
const FIRST_FD = 2 ** 30;
const BATCH = 50_000;

if (isMainThread) {
  const { slots } = JSON.parse(process.argv[2]);
  const resourceLimits = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };
  const worker = new Worker(new URL(import.meta.url), { workerData: slots, resourceLimits });
  worker.once("error", (error) => {
    console.log(error.message);
    process.exit(1);
  });
} else {
  const count = workerData;
  const options = { slots: 4096, parkable: 1, stateMask: 3, tableSize: 1024, parks: false, resetsParked: false };
  const table = new ConnectionTable(options);
  const queue = new SlotQueue();
  const add = (slots) => {
    for (let n = 0; n < slots; n++) queue.push(table.add(FIRST_FD + n, 1));
  };
  const close = (slots) => {
    for (let n = 0; n < slots; n++) table.close(queue.shift());
  };
  add(count);
  close(count);
  table.recycle();
  for (let opened = 0; opened < count; opened += BATCH) {
    add(BATCH);
    table.recycle();
  }
  for (let closed = 0; closed < count; closed += BATCH) {
    close(BATCH);
    table.recycle();
  }
  console.log(`done ${table.end}`);
}
