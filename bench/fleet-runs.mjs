// Runs a fleet many times in a row, and shows what its programs keep: memory and descriptors of two agents, of
// nats-server, and of this process, which coordinates, after npm run build. The first runs warm the programs up.
// node bench/fleet-runs.mjs [runs, default 200]
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect, serve } from "fourtuple";

const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const runs = Number(process.argv[2] ?? 200);
const REPORTS = 5;
const CONNECTIONS = 100;
const LIMIT_MS = 30_000;
/** Long, because other programs may keep the machine busy. */
const LEASE_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "fourtuple-runs-"));
/** @type {import("node:child_process").ChildProcess[]} */
const children = [];

try {
  const [, at] = await start(
    "nats-server",
    ["-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder],
    /connections on (\S+:\d+)[\s\S]*ready/,
  );
  const servers = `nats://${at}`;
  for (const name of ["one", "two"]) {
    await start(process.execPath, [program, "agent", "--nats", servers, "--name", name], /waits for runs/);
  }
  const server = await serve({ at: "127.0.0.1:0" });
  const skews = [];
  console.log("runs   nats-server      agent one        agent two        coordinator");
  for (let n = 0; n <= runs; n++) {
    if (n % Math.ceil(runs / REPORTS) === 0)
      console.log(`${n}`.padEnd(7) + [...children.map(({ pid }) => pid), "self"].map(uses).join(""));
    if (n === runs) break;
    const run = await connect({
      to: `127.0.0.1:${server.address.port}`,
      connections: CONNECTIONS,
      durationMs: 0,
      fleet: { servers, agents: 2, leaseMs: LEASE_MS },
    });
    const { established, fleet } = await run.done;
    if (established !== CONNECTIONS || fleet?.missing !== 0) throw new Error(`run ${n}: ${established} established`);
    skews.push(fleet.startSkewMs);
  }
  skews.sort((a, b) => a - b);
  console.log(
    `start skew: median ${skews[runs >> 1]} ms, 99th percentile ${skews[Math.floor(runs * 0.99)]} ms, at most ${skews.at(-1)} ms`,
  );
  await server.stop();
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {RegExp} pattern
 * @returns {Promise<RegExpExecArray>}
 */
async function start(command, args, pattern) {
  const child = spawn(command, args);
  children.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      text += chunk;
    });
  }
  for (const startMs = performance.now(); ; await delay(20)) {
    const said = pattern.exec(text);
    if (said) return said;
    if (performance.now() - startMs > LIMIT_MS) throw new Error(`${command} said: ${text}`);
  }
}

/** @param {number | string | undefined} pid */
function uses(pid) {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return `${(Number(kib) / 1024).toFixed(0)} MiB, ${readdirSync(`/proc/${pid}/fd`).length} fds`.padEnd(17);
}
