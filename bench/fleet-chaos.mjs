// Breaks fleets: SIGKILL, SIGSTOP or a cut wire for an agent, the coordinator or NATS, in each phase of a run and with
// each policy, after npm run build. Each case ends in bounded time, the kernel's tables show that agents closed every
// connection, the result adds up, and all agents wait for the next run. Needs root, ip, nft and nats-server.
// node bench/fleet-chaos.mjs [words that a case's name contains…]
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serve } from "fourtuple";

const FAULTS = ["kill", "stop", "cut"];
const PHASES = ["prepare", "start", "ramp", "hold", "end"];
const POLICIES = ["abort", "continue", "redeal"];
const CONNECTIONS = 200;
const RATE = 100;
const HUB = "10.79.0.1";
const NATS = `nats://${HUB}:4222`;
const LEASE_MS = 4000;
/** A run ends within this time after a fault: the lease, the deadline of the barrier, and a busy machine. */
const BOUND_MS = 40_000;
const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** @param {string[]} words */
async function main(words) {
  const world = await World.open();
  let failures = 0;
  let count = 0;
  try {
    for (const target of ["agent", "coordinator", "nats"]) {
      for (const fault of FAULTS) {
        for (const phase of PHASES) {
          for (const policy of POLICIES) {
            const name = `${target} ${fault} ${phase} ${policy}`;
            if (!words.every((word) => name.split(" ").includes(word))) continue;
            count++;
            const wrong = await chaos(world, { target, fault, phase, policy }).catch((error) => [`${error.message}`]);
            if (wrong.length > 0) failures++;
            console.log(`${wrong.length > 0 ? "FAILED" : "ok    "} ${name}: ${world.told}`);
            for (const word of wrong) console.log(`         ${word}`);
          }
        }
      }
    }
  } finally {
    await world.close();
  }
  console.log(`${count} cases, ${failures} failed`);
  process.exitCode = failures > 0 ? 1 : 0;
}

/**
 * @param {World} world
 * @param {{ target: string, fault: string, phase: string, policy: string }} what
 * @returns {Promise<string[]>} what is wrong
 */
async function chaos(world, { target, fault, phase, policy }) {
  /** @type {string[]} */
  const wrong = [];
  world.told = "";
  const server = await serve({ at: `${HUB}:0` });
  const { port } = server.address;
  const load = ["-c", `${CONNECTIONS}`, "--connect-rate", `${RATE}`, "-T", "5s"];
  const fleet = ["--fleet", NATS, "--agents", "2", "--lease", `${LEASE_MS}ms`, "--on-lost", policy, "--json"];
  const coordinator = world.start(3, ["connect", `${HUB}:${port}`, ...load, ...fleet]);
  try {
    await reach(coordinator, phase);
    const faultMs = performance.now();
    const victim = target === "agent" ? world.agents[1] : coordinator;
    const wire = target === "agent" ? 2 : 3;
    if (target === "nats") await world.breakNats(fault);
    else if (fault === "cut") world.setWire(wire, "down");
    else process.kill(victim.pid, fault === "kill" ? "SIGKILL" : "SIGSTOP");
    const isTold = target !== "coordinator" || fault === "cut";
    if (target === "nats") {
      await delay(2 * LEASE_MS);
      await world.mendNats(fault);
    }
    if (isTold && !(await settles(coordinator.ended, BOUND_MS))) wrong.push("the coordinator did not end");
    const endedMs = performance.now() - faultMs;
    const survivors = target === "agent" ? [1] : [1, 2];
    await world.closed(survivors, port).catch((error) => wrong.push(error.message));
    const closedMs = performance.now() - faultMs;
    if (target !== "nats") {
      if (fault === "cut") world.setWire(wire, "up");
      if (fault === "stop") process.kill(victim.pid, "SIGCONT");
    }
    if (fault === "kill" && target === "agent") await world.startAgent(2);
    if (!(await settles(coordinator.ended, BOUND_MS))) wrong.push("the coordinator did not end when it was back");
    await world.closed([1, 2], port).catch((error) => wrong.push(error.message));
    await world.idle().catch((error) => wrong.push(error.message));
    world.told = `ended after ${seconds(endedMs)}, closed after ${seconds(closedMs)}; ${verdict(coordinator, wrong)}`;
    const [, run] = /"run":"(\w+)"/.exec(coordinator.text) ?? [];
    if (run !== undefined && !/"event":"result"/.test(coordinator.text)) {
      const kept = spawnSync(process.execPath, [program, "fleet", "result", run, "--nats", NATS, "--json"], {
        encoding: "utf8",
      });
      const words = kept.stdout === "" ? kept.stderr.trim().slice(0, 200) : summary(JSON.parse(kept.stdout), wrong);
      world.told += `; fleet result: ${words.replaceAll("\n", " ")}`;
    }
  } finally {
    coordinator.child.kill("SIGKILL");
    await server.stop();
  }
  return wrong;
}

/**
 * Waits for a phase of the run.
 *
 * @param {Program} coordinator
 * @param {string} phase
 */
async function reach(coordinator, phase) {
  const last = () => JSON.parse(/.*"event":"snapshot".*(?=\n[^\n]*$)/.exec(coordinator.text)?.[0] ?? "{}");
  const reached = {
    prepare: () => /"event":"dealt"/.test(coordinator.text),
    start: () => /"event":"started"/.test(coordinator.text),
    ramp: () => last().open > 0,
    hold: () => last().stage === "hold",
    end: () => last().stage === "hold",
  }[phase];
  const startMs = performance.now();
  while (!reached?.()) {
    if (coordinator.child.exitCode !== null || performance.now() - startMs > BOUND_MS) {
      throw new Error(`phase not reached: ${coordinator.text.slice(-300)}${coordinator.errors.slice(-300)}`);
    }
    await delay(10);
  }
  if (phase === "end") coordinator.child.kill("SIGINT");
}

/**
 * @param {Program} coordinator
 * @param {string[]} wrong
 * @returns {string}
 */
function verdict({ child, text, errors }, wrong) {
  const line = text.split("\n").find((each) => each.includes('"event":"result"'));
  if (!line)
    return `exit ${child.exitCode ?? child.signalCode}: ${errors.trim().split("\n").slice(-2).join(" ").slice(0, 300)}`;
  return `exit ${child.exitCode}: ${summary(JSON.parse(line), wrong)}`;
}

/**
 * @param {import("fourtuple").ConnectResult} result
 * @param {string[]} wrong
 * @returns {string}
 */
function summary({ outcome, requested, established, failed, fleet }, wrong) {
  const agents = fleet?.agents ?? [];
  const ended = agents.filter(({ state }) => state === "ended");
  const dealt = ended.reduce((sum, agent) => sum + agent.requested, 0);
  const missing = fleet?.missing ?? 0;
  if (dealt + missing !== requested) wrong.push(`${dealt} requested of agents, ${missing} missing, of ${requested}`);
  if (established !== ended.reduce((sum, agent) => sum + agent.established, 0)) wrong.push("established do not add up");
  if (agents.some(({ state, reason }) => state !== "ended" && !reason)) wrong.push("a lost agent without a reason");
  const states = agents.map(({ name, state, reason }) => `${name} ${state}${reason ? ` (${reason})` : ""}`);
  return `${outcome}, ${established} of ${requested} established, ${failed} failed, ${missing} missing; ${states.join(", ")}`;
}

class Program {
  text = "";
  errors = "";

  /**
   * @param {string} command
   * @param {string[]} args
   */
  constructor(command, args) {
    this.child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout.on("data", (chunk) => {
      this.text += chunk;
    });
    this.child.stderr.on("data", (chunk) => {
      this.errors += chunk;
    });
    this.ended = once(this.child, "exit");
  }

  get pid() {
    return this.child.pid ?? 0;
  }

  /** @param {RegExp} pattern */
  async prints(pattern) {
    const startMs = performance.now();
    while (!pattern.test(this.text + this.errors)) {
      if (performance.now() - startMs > BOUND_MS) throw new Error(`no ${pattern}: ${this.text}${this.errors}`);
      await delay(20);
    }
  }
}

/** NATS and the server in this namespace, and two agents and coordinators in others, each with a link to this one. */
class World {
  told = "";
  folder = mkdtempSync(join(tmpdir(), "fourtuple-chaos-"));
  /** @type {Program[]} */
  agents = [];
  /** @type {Program[]} */
  holders = [];
  /** @type {Program | undefined} */
  nats;

  static async open() {
    const world = new World();
    ip("link", "set", "lo", "up");
    ip("address", "add", `${HUB}/32`, "dev", "lo");
    for (const n of [1, 2, 3]) {
      ip("netns", "add", world.namespace(n));
      world.holders[n] = new Program("ip", ["netns", "exec", world.namespace(n), "sleep", "infinity"]);
      ip("link", "add", `wire${n}`, "type", "veth", "peer", "name", "hub", "netns", world.namespace(n));
      ip("address", "add", `10.79.${n}.1/24`, "dev", `wire${n}`);
      ip("link", "set", `wire${n}`, "up");
      ip("-n", world.namespace(n), "link", "set", "lo", "up");
      ip("-n", world.namespace(n), "address", "add", `10.79.${n}.2/24`, "dev", "hub");
      ip("-n", world.namespace(n), "link", "set", "hub", "up");
      ip("-n", world.namespace(n), "route", "add", "default", "via", `10.79.${n}.1`);
    }
    run("nft", "add table ip chaos; add chain ip chaos in { type filter hook input priority 0; }");
    await world.startNats();
    await world.startAgent(1);
    await world.startAgent(2);
    return world;
  }

  /** @param {number} n */
  namespace(n) {
    return `fourtuple-chaos-${process.pid}-${n}`;
  }

  async startNats() {
    this.nats = new Program("nats-server", ["-a", HUB, "-p", "4222", "-js", "-sd", this.folder]);
    await this.nats.prints(/Server is ready/);
  }

  /** @param {number} n */
  async startAgent(n) {
    const agent = this.start(n, ["agent", "--nats", NATS, "--name", `agent-${n}`]);
    this.agents[n - 1] = agent;
    await agent.prints(/waits for runs/);
  }

  /**
   * @param {number} n
   * @param {string[]} args
   */
  start(n, args) {
    return new Program("ip", ["netns", "exec", this.namespace(n), process.execPath, program, ...args]);
  }

  /**
   * @param {number} n
   * @param {"up" | "down"} state
   */
  setWire(n, state) {
    ip("link", "set", `wire${n}`, state);
  }

  /** @param {string} fault */
  async breakNats(fault) {
    if (fault === "cut") run("nft", "add rule ip chaos in tcp dport 4222 drop");
    else this.nats?.child.kill(fault === "stop" ? "SIGSTOP" : "SIGKILL");
    if (fault === "kill") {
      await this.nats?.ended;
      await this.startNats();
    }
  }

  /** @param {string} fault */
  async mendNats(fault) {
    if (fault === "cut") run("nft", "flush chain ip chaos in");
    else if (fault === "stop") this.nats?.child.kill("SIGCONT");
  }

  /**
   * Waits until the kernels of agents have no connection to the server's port.
   *
   * @param {number[]} agents
   * @param {number} port
   */
  async closed(agents, port) {
    const startMs = performance.now();
    for (;;) {
      const open = agents.map((n) => this.#open(n, port));
      if (open.every((count) => count === 0)) return;
      if (performance.now() - startMs > BOUND_MS)
        throw new Error(`connections of agents ${agents} still open: ${open}`);
      await delay(50);
    }
  }

  /**
   * @param {number} n
   * @param {number} port
   */
  #open(n, port) {
    const hex = port.toString(16).toUpperCase().padStart(4, "0");
    const rows = readFileSync(`/proc/${this.holders[n]?.pid}/net/tcp`, "latin1").split("\n");
    return rows.filter((row) => new RegExp(`^ *\\d+: \\S+ \\S+:${hex} 0[1-3] `).test(row)).length;
  }

  /** Waits until both agents wait for the next run. */
  async idle() {
    const startMs = performance.now();
    for (;;) {
      const listed = spawnSync(process.execPath, [program, "fleet", "agents", "--nats", NATS], { encoding: "utf8" });
      if ((listed.stdout.match(/ idle /g) ?? []).length === 2) return;
      if (performance.now() - startMs > BOUND_MS)
        throw new Error(`agents are not ready: ${listed.stdout}${listed.stderr}`);
      await delay(100);
    }
  }

  async close() {
    for (const each of [...this.agents, ...this.holders, this.nats]) each?.child.kill("SIGKILL");
    for (const n of [1, 2, 3]) ip("netns", "delete", this.namespace(n));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @param {string[]} args */
function ip(...args) {
  run("ip", ...args);
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, ...args) {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

/**
 * @param {Promise<unknown>} promise
 * @param {number} ms
 * @returns {Promise<boolean>}
 */
async function settles(promise, ms) {
  const late = new AbortController();
  const isSettled = await Promise.race([promise.then(() => true), delay(ms, false, { signal: late.signal })]);
  late.abort();
  return isSettled;
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

if (process.env.FOURTUPLE_CHAOS_HUB === undefined) {
  const inside = { ...process.env, FOURTUPLE_CHAOS_HUB: "1" };
  const args = ["-n", process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  process.exitCode = spawnSync("unshare", args, { stdio: "inherit", env: inside }).status ?? 1;
} else {
  await main(process.argv.slice(2));
}
