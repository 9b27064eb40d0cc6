// Starts a server while only a few descriptors are free. Prints `serves <address>` or `refused <code>`, and runs until
// it is terminated.
import { closeSync, openSync } from "node:fs";
import "../../../dist/server/serve.js";
import { serve } from "../../../dist/index-unbundled.js";

const { host, free } = JSON.parse(process.argv[2]);
const stays = setInterval(() => undefined, 60_000);
const held = [];

// Start-up is over: everything is loaded, and the server has either started or failed cleanly.
const outcome = await start();
for (const fd of held.splice(0)) closeSync(fd);
// Install the handler before printing, because a reader may send SIGTERM at once.
process.once("SIGTERM", () => Promise.resolve(outcome.server?.stop()).finally(() => clearInterval(stays)));
console.log(outcome.text);

async function start() {
  // This loads the modules that check the options.
  await serve({ at: "none" }).catch(() => undefined);
  try {
    for (;;) held.push(openSync("/dev/null"));
  } catch {
    for (const fd of held.splice(0, free)) closeSync(fd);
  }
  try {
    const server = await serve({ at: `${host}:0`, log: "none" });
    return { text: `serves ${server.address.port}`, server };
  } catch (error) {
    if (error.name !== "AppError") throw error;
    return { text: `refused ${error.code} ${error.message}` };
  }
}
