// Runs a server and a client with the library repeatedly in one process. Prints `descriptors <after the first> <after
// the last>`.
import { readdirSync } from "node:fs";
import { connect, serve } from "../../../dist/index.js";

const { host, rounds, engine } = JSON.parse(process.argv[2]);
const counts = [];

for (let round = 0; round < rounds; round++) {
  const server = await serve({ at: `${host}:0`, engine });
  const run = await connect({ to: `${host}:${server.address.port}`, connections: 50, durationMs: 10, engine });
  const { established } = await run.done;
  await server.stop();
  if (established !== 50) throw new Error(`round ${round}: ${established} connections`);
  counts.push(readdirSync("/proc/self/fd").length);
}
console.log(`descriptors ${counts[0]} ${counts.at(-1)}`);
