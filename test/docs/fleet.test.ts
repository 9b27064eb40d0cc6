// Tests the commands of docs/fleet.md: those for NATS run in network namespaces that have the addresses of the page, with
// fewer connections; those for ssh, containers and Kubernetes are checked as far as they can be without a cluster.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { ROOT } from "../support/library.js";
import { commandsIn, readPage } from "../support/markdown.js";
import { canMakeNamespaces, makeNamespace } from "../support/namespace.js";
import { HAS_NATS } from "../support/nats.js";
import { hasProgram, runCli, start, type TestProcess } from "../support/process.js";
import { until } from "../support/until.js";

/** Addresses of the page's hosts. */
const NATS = "10.0.0.5";
const SERVER = "10.0.0.9";
const AGENTS = ["10.0.0.2", "10.0.0.3"];

const page = readPage("docs/fleet.md");
const blocks = commandsIn(page);
/** Lines of commands without their prompt for privileges. */
const lines = blocks.filter((block) => block.startsWith("sh\n")).flatMap((block) => block.split("\n").slice(1));
const blockWith = (text: string) => {
  const block = blocks.find((each) => each.includes(text));
  if (block === undefined) throw new Error(`the page has no block with ${text}`);
  return block.slice(block.indexOf("\n") + 1);
};
const lineWith = (text: string) => {
  const line = lines.find((each) => each.includes(text));
  if (line === undefined) throw new Error(`the page has no line with ${text}`);
  return line;
};
/** Makes a run of the page small. */
const small = (code: string) =>
  code
    .replace(/-c (1m|10m)\b/, "-c 300")
    .replace("-T 1m", "-T 1s")
    .replace("1e6", "300")
    .replace(/agents: 20/, "agents: 2");

function hasCompose(): boolean {
  const { status } = spawnSync("docker", ["compose", "version"]);
  if (status !== 0) console.warn("skipped: Docker Compose is not installed");
  return status === 0;
}

function killIfRunning(pid: string): void {
  try {
    process.kill(Number(pid), "SIGKILL");
  } catch {
    // It has ended.
  }
}

it("gives each command only options that it has", async () => {
  const commands = lines.flatMap((line) => [...line.matchAll(/fourtuple ((?:fleet )?[a-z]+)([^'#>]*)/g)]);
  expect(commands.length).toBeGreaterThan(10);
  const helps = new Map<string, string>();
  const topics = ["", "fleet", "packet"];
  for (const name of new Set(commands.map(([, command]) => command!))) {
    const words = name.split(" ");
    const texts = await Promise.all(
      (["connect", "serve"].includes(name) ? topics : [""]).map((topic) =>
        runCli([...words, "--help", topic].filter(Boolean)),
      ),
    );
    helps.set(name, texts.map(({ stdout }) => stdout).join("\n"));
  }
  for (const [, command, rest] of commands) {
    const known: readonly string[] = helps.get(command!)!.match(/(?<![\w-])--?[a-zA-Z][\w-]*/g) ?? [];
    for (const flag of rest!.match(/(?<= )--?[a-zA-Z][\w-]*/g) ?? [])
      expect(known, `${command} ${rest}`).toContain(flag);
  }
});

describe.skipIf(!HAS_NATS || !canMakeNamespaces())("the commands of the page run, with fewer connections:", () => {
  /** Returns a function that runs a line of the page on one of its hosts: an agent's, or that of the server and of NATS. */
  const onItsHosts = () => {
    const ip = (...args: string[]) => expect(spawnSync("ip", args)).toMatchObject({ status: 0 });
    const hosts = new Map([SERVER, ...AGENTS].map((host) => [host, makeNamespace()]));
    const server = hosts.get(SERVER)!;
    ip("-n", server, "link", "add", "switch", "type", "bridge");
    for (const address of [SERVER, NATS]) ip("-n", server, "address", "add", `${address}/24`, "dev", "switch");
    ip("-n", server, "link", "set", "switch", "up");
    for (const [n, address] of AGENTS.entries()) {
      const host = hosts.get(address)!;
      ip(...`-n ${server} link add to-${n} master switch type veth peer name wire netns ${host}`.split(" "));
      ip("-n", server, "link", "set", `to-${n}`, "up");
      ip("-n", host, "address", "add", `${address}/24`, "dev", "wire");
      ip("-n", host, "link", "set", "wire", "up");
    }
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-fleet-docs-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const program = (name: string, ...code: string[]) => {
      writeFileSync(join(folder, name), ["#!/bin/sh", ...code, ""].join("\n"));
      chmodSync(join(folder, name), 0o755);
    };
    // Agents that are started over ssh outlast the shell.
    const pids = join(folder, "pids");
    program("sudo", 'exec "$@"');
    program("fourtuple", `echo $$ >>${pids}`, `exec ${ROOT}dist/cli/main.js "$@"`);
    onTestFinished(() => {
      for (const pid of existsSync(pids) ? readFileSync(pids, "utf8").split("\n").filter(Boolean) : [])
        killIfRunning(pid);
    });
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(ROOT, join(folder, "node_modules/fourtuple"));
    // nats-server stores its streams in the folder for temporary files.
    const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, HOME: folder, TMPDIR: folder };
    const run = (line: string, host = SERVER): TestProcess => {
      const command = `cd ${folder}; ${line.includes("\n") ? "" : "exec "}${line} 2>&1`;
      return start("ip", ["netns", "exec", hosts.get(host)!, "bash", "-c", command], { env });
    };
    return { folder, program, run };
  };
  type Run = ReturnType<typeof onItsHosts>["run"];

  const startNats = (run: Run) => run(lineWith("nats-server --jetstream")).prints(/Server is ready/);
  const startServer = (run: Run) =>
    run(lines.find((line) => line === "fourtuple serve 0.0.0.0:7777")!).prints(/listening on/);
  const startAgents = (run: Run, hosts = AGENTS) =>
    Promise.all(
      hosts.map((host, n) =>
        run(`${lineWith("fourtuple agent --nats")} --name ${"abc"[n]}`, host).prints(/waits for runs/),
      ),
    );
  const started = async (run: Run) => {
    await startNats(run);
    await Promise.all([startServer(run), startAgents(run)]);
  };

  it("a run, its result, and its end", async () => {
    const { run, folder } = onItsHosts();
    await started(run);
    const connect = small(lineWith("fourtuple connect 10.0.0.9:7777 -c 1m"));
    const { stdout, code } = await run(connect).exited();
    expect([code, stdout]).toEqual([0, expect.stringContaining("target met: 300 connections to 10.0.0.9:7777")]);
    const [, id] = /^run (\w+) on 2 agents/m.exec(stdout)!;
    const listed = await run(lineWith("fleet agents")).exited();
    expect(listed.stdout).toMatch(/^a .* idle [\s\S]*^b .* idle /m);
    expect((await run(lineWith("fleet runs")).exited()).stdout).toContain(`${id} `);
    expect((await run(lineWith("fleet result").replace("5f3a9c01", id!)).exited()).code).toBe(0);
    expect(JSON.parse(readFileSync(join(folder, "run.json"), "utf8"))).toMatchObject({ established: 300 });
    expect((await run("fourtuple report run.json").exited()).code).toBe(0);
    const held = run(connect.replace("-T 1s", "-T forever --json"));
    const [, second] = await held.prints(/"event":"started".*"run":"(\w+)"[\s\S]*"stage":"hold"/);
    expect((await run(lineWith("fleet stop").replace("5f3a9c01", second!)).exited()).stdout).toBe(
      `run ${second} stops\n`,
    );
    expect((await held.exited()).code).toBe(0);
  }, 120_000);

  it("a program", async () => {
    const { run, folder } = onItsHosts();
    await started(run);
    const program = small(blockWith("import { connect, serve, startAgent }"));
    writeFileSync(join(folder, "run.mjs"), `${program}console.log(established, fleet.agents.length);process.exit();`);
    const { stdout } = await run("node run.mjs").exited();
    expect(stdout).toMatch(/^300 [23]$/m);
  }, 120_000);

  it("servers, and the load of the other agents", async () => {
    const { run } = onItsHosts();
    await startNats(run);
    await startAgents(run);
    const [serve, connect] = blockWith("serve 0.0.0.0:7777 --fleet").trim().split("\n") as [string, string];
    const serving = run(serve);
    await serving.prints(/clients connect to: 10\.0\.0\.2:7777 10\.0\.0\.3:7777\n/);
    await run(lineWith("fourtuple agent --nats")).prints(/waits for runs/);
    const held = small(connect).replace("-c 300", "-c 300 -T 1s");
    expect(await run(held).exited()).toMatchObject({ code: 0, stdout: expect.stringContaining("target met: 300") });
    serving.child.kill("SIGINT");
    expect((await serving.exited()).stdout).toMatch(/^ *accepted +300$/m);
  }, 120_000);

  it("a program that serves", async () => {
    const { run, folder } = onItsHosts();
    await startNats(run);
    await startAgents(run);
    const program = `import { serve } from "fourtuple";\n${blockWith("const { accepted } = await servers.stop()")}`;
    writeFileSync(join(folder, "run.mjs"), `${program}console.log("accepted", accepted);`);
    const { stdout, code } = await run("node run.mjs").exited();
    expect([code, stdout]).toEqual([0, "[ 'a 7777', 'b 7777' ]\naccepted 0\n"]);
  }, 120_000);

  it("a run without kernel sockets", async () => {
    const { run } = onItsHosts();
    await Promise.all([startNats(run), startServer(run)]);
    const block = blockWith("--packet-ip").trim().split("\n");
    const [agent, connect] = block.splice(-2) as [string, string];
    expect(block.map((route) => route.replace(/ route add .*/, ""))).toEqual(["sudo ip", "sudo ip"]);
    for (const route of block) expect(await run(route).exited()).toMatchObject({ code: 0 });
    await Promise.all([
      run(`${agent} --name a`, AGENTS[0]).prints(/waits for runs/),
      run(`${agent.replace("10.64.1.0", "10.64.2.0")} --name b`, AGENTS[1]).prints(/waits for runs/),
    ]);
    const held = run(`${small(connect)} --json`);
    await held.prints(/"stage":"hold"/);
    const { stdout } = await run("ss -Htn state established sport = 7777").exited();
    const sources = [...stdout.matchAll(/ 10\.64\.([12])\.\d+:/g)].map(([, net]) => net);
    expect([sources.length, new Set(sources).size]).toEqual([300, 2]);
    held.child.kill("SIGINT");
    await held.exited();
  }, 120_000);

  it("agents over ssh, with a token", async () => {
    const { run, folder, program } = onItsHosts();
    writeFileSync(join(folder, "nats-token"), "secret");
    await run("nats-server --addr 10.0.0.5 --auth secret").prints(/Server is ready/);
    // Stands for ssh: the hosts of the page are all this one.
    program("ssh", 'cd "$HOME" && exec sh -c "$2"');
    const loop = blockWith("ssh ");
    const [, hosts] = /for host in (.*); do/.exec(loop)!;
    expect((await run(loop).exited()).code).toBe(0);
    const idle = async () => {
      const { stdout } = await run(`env FOURTUPLE_NATS_TOKEN=secret ${lineWith("fleet agents")}`).exited();
      return stdout.match(/ idle /g)?.length;
    };
    await until("agents on all hosts", idle, (count) => count === hosts!.split(" ").length);
  }, 120_000);
});

describe("the commands for containers and clusters", () => {
  const files = lines.flatMap((line) => [...line.matchAll(/(?:--file|--filename) (\S+)/g)].map(([, file]) => file!));
  const manifests = files
    .filter((file) => file.includes("kubernetes"))
    .flatMap((file) => parseAllDocuments(readFileSync(`${ROOT}${file}`, "utf8")).map((document) => document.toJS()));

  it("name files, services and workloads that exist", () => {
    expect(files.length).toBeGreaterThan(4);
    for (const file of files) expect(existsSync(`${ROOT}${file}`), file).toBe(true);
    const { services, volumes } = parse(readFileSync(`${ROOT}deploy/compose-fleet.yaml`, "utf8"), { merge: true });
    const [, service] = /docker compose .* run .*?(\w+)$/m.exec(lines.join("\n"))!;
    expect(Object.keys(services)).toContain(service);
    expect(Object.keys(volumes)).toHaveLength(1);
    const names = manifests.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`);
    const awaited = lines.flatMap((line) => /rollout status (\S+)/.exec(line)?.[1] ?? []);
    expect(awaited).toHaveLength(2);
    for (const workload of awaited) expect(names).toContain(workload);
    const [, key, value] = /--selector (\S+)=(\S+)/.exec(lineWith("kubectl logs"))!;
    const job = manifests.find(({ kind }) => kind === "Job");
    expect(job.spec.template.metadata.labels[key!]).toBe(value);
    // apply needs a name, and create makes one.
    expect(job.metadata).not.toHaveProperty("name");
    expect(lineWith("coordinator.yaml")).toMatch(/^kubectl create /);
    const [, secret, entry] = /secret generic (\S+) --from-literal=(\w+)=/.exec(lineWith("kubectl create secret"))!;
    expect(readFileSync(`${ROOT}deploy/kubernetes/agents.yaml`, "utf8")).toContain(`name: ${secret}, key: ${entry}`);
  });

  it.runIf(hasProgram("kubectl"))("have only options that kubectl has", () => {
    const commands = lines.filter((line) => line.startsWith("kubectl "));
    expect(commands.length).toBeGreaterThan(5);
    for (const line of commands) {
      const [, words] = /^kubectl ((?:create secret generic|rollout status|[a-z]+)) /.exec(line)!;
      const { stdout } = spawnSync("kubectl", [...words!.split(" "), "--help"], { encoding: "utf8" });
      for (const flag of line.match(/(?<= )--[a-z-]+/g) ?? []) expect(stdout, line).toContain(flag);
    }
  });

  it.runIf(hasCompose())("have only options that Compose has", () => {
    const commands = lines.filter((line) => line.startsWith("docker compose "));
    expect(commands.length).toBeGreaterThan(1);
    for (const line of commands) {
      const [, file, word, rest] = /^docker compose (--file) \S+ (\w+)(.*)$/.exec(line)!;
      const helps = [[], [word!]].map(
        (words) => spawnSync("docker", ["compose", ...words, "--help"], { encoding: "utf8" }).stdout,
      );
      expect(helps[0]).toContain(file);
      for (const flag of rest!.match(/(?<= )--[a-z-]+/g) ?? []) expect(helps[1], line).toContain(flag);
    }
  });
});
