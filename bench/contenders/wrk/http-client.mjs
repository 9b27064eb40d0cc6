// Requests with wrk, as fast as the server answers. Prints "ready", reads a line "<measured ms>", prints a line of JSON
// about the requests, and exits when its input ends.
// Usage: http-client.mjs <port> <connections>
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const [port, connections] = process.argv.slice(2).map(Number);
console.log("ready");
for await (const line of createInterface(process.stdin)) {
  const seconds = Math.max(1, Math.round(Number(line) / 1000));
  const args = ["-t", "1", "-c", `${connections}`, "-d", `${seconds}s`, "--latency", `http://127.0.0.1:${port}/`];
  const before = readChildrenCpuSeconds();
  const { stdout } = await promisify(execFile)("wrk", args);
  const cpuSeconds = readChildrenCpuSeconds() - before;
  const [, requests, took] = /(\d+) requests in ([\d.]+)s/.exec(stdout) ?? [];
  const failed = /Non-2xx/.test(stdout);
  console.log(JSON.stringify({ requests: Number(requests), seconds: Number(took), cpuSeconds, failed }));
}

/** Returns the CPU time of children that have ended. */
function readChildrenCpuSeconds() {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  // cutime and cstime, in ticks of 10 ms.
  return (Number(fields[13]) + Number(fields[14])) / 100;
}
