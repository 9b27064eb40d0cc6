// Starts a server or a client repeatedly. Each time, a different system call of the main thread fails: the first, then
// the second, and so on until start-up needs no more calls. Prints a line of JSON for each.
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { connect, serve } from "../../../dist/index-unbundled.js";
import { lastErrno, libc } from "../../../dist/linux/syscalls/libc.js";

const { host, role } = JSON.parse(process.argv[2]);
const EMFILE = 24;
// These calls acquire no resources.
const OTHERS = ["close", "munmap", "read", "write"];
const real = { ...libc };
let calls = 0;
let failing = 0;

for (const [name, call] of Object.entries(real)) {
  if (OTHERS.includes(name)) continue;
  libc[name] = (...args) => {
    calls++;
    if (calls !== failing) return call(...args);
    lastErrno(EMFILE);
    return name === "mmap" ? 2 ** 64 : -1;
  };
}

const server = role === "connect" ? await serve({ at: `${host}:0`, log: "none" }) : undefined;
// Do some runs first, to create the threads and load the modules that remain afterwards. On a busy machine, a run may
// begin before the last one's thread can be used again, so have one more.
await Promise.all([attempt(0), attempt(0)]);
for (let n = 1; ; n++) {
  const before = descriptors();
  const { name, code } = await attempt(n);
  const needed = calls;
  const after = await settledDescriptors(before.length);
  console.log(
    JSON.stringify({
      n,
      outcome: name,
      code,
      listening: listening() - (server ? 1 : 0),
      leftBehind: after.slice(before.length),
    }),
  );
  if (needed < n) break;
}
await server?.stop();

async function attempt(n) {
  [calls, failing] = [0, n];
  let run;
  try {
    run =
      role === "serve"
        ? await serve({ at: `${host}:0`, log: "none" })
        : await connect({ to: `${host}:${server.address.port}`, connections: 3, durationMs: 0, oneTable: true });
    // Failures after start-up are not part of the test.
    if (role === "serve") failing = 0;
    await (role === "serve" ? run.stop() : run.done);
    return { name: "done" };
  } catch (error) {
    return { name: error.name, code: error.code, message: error.message };
  } finally {
    failing = 0;
  }
}

/** The kernel may still be processing a run's last requests. */
async function settledDescriptors(wanted) {
  let seen = descriptors();
  for (let wait = 0; wait < 200 && seen.length > wanted; wait++) {
    await delay(10);
    seen = descriptors();
  }
  return seen;
}

function descriptors() {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

/** Counts the listening TCP sockets at this address. */
function listening() {
  const address = host
    .split(".")
    .reverse()
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
  return readFileSync("/proc/net/tcp", "utf8").match(new RegExp(`: ${address}:\\S+ \\S+ 0A `, "g"))?.length ?? 0;
}
