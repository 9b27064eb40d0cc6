// Starts servers with the library, and spawns other programs while the servers' threads are starting. Prints `done`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { serve } from "../../../dist/index.js";

const { rounds } = JSON.parse(process.argv[2]);

for (let round = 0; round < rounds; round++) {
  const starting = serve({ at: "127.0.0.1:0" });
  const children = [];
  let isUp = false;
  const up = starting.then(() => {
    isUp = true;
  });
  while (!isUp) {
    children.push(once(spawn("true", { stdio: "ignore" }), "exit"));
    await setImmediate();
  }
  // The second thread may still be starting.
  for (let more = 0; more < 10; more++) {
    children.push(once(spawn("true", { stdio: "ignore" }), "exit"));
    await setImmediate();
  }
  await up;
  await Promise.all(children);
  await (await starting).stop();
}
console.log("done");
