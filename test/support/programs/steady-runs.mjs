// Runs a server and a client with the library repeatedly in one process. Prints its memory mappings, descriptors and
// threads after a third of the rounds, by which time everything has been used once, and at the end.
import { readdirSync, readFileSync } from "node:fs";
import { connect, serve } from "../../../dist/index.js";

const { host, rounds, engine } = JSON.parse(process.argv[2]);
let early;

for (let round = 0; round < rounds; round++) {
  const server = await serve({ at: `${host}:0`, log: "none", engine });
  const run = await connect({ to: `${host}:${server.address.port}`, connections: 20, durationMs: 0, engine });
  const { established } = await run.done;
  await server.stop();
  if (established !== 20) throw new Error(`round ${round}: ${established} connections`);
  if (round === Math.floor(rounds / 3)) early = measure();
}
console.log(JSON.stringify({ early, late: measure() }));

function measure() {
  const status = readFileSync("/proc/self/status", "utf8");
  return {
    mappings: readFileSync("/proc/self/maps", "utf8").split("\n").length,
    addressSpaceKib: Number(/VmSize:\s+(\d+)/.exec(status)[1]),
    threads: Number(/Threads:\s+(\d+)/.exec(status)[1]),
    descriptors: readdirSync("/proc/self/fd").length,
  };
}
