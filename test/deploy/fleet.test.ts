// Tests the set-ups of a fleet in deploy/ without containers: a run with the commands of the Compose file, and manifests
// whose options, names and ports fit together.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { ROOT } from "../support/library.js";
import { HAS_NATS, NatsServer } from "../support/nats.js";
import { runCli, startCli } from "../support/process.js";

const read = (file: string) => readFileSync(`${ROOT}deploy/${file}`, "utf8");
const { services } = parse(read("compose-fleet.yaml"), { merge: true });
const AGENTS: number = services.agent.deploy.replicas;

describe("compose-fleet.yaml", () => {
  it.runIf(HAS_NATS)("has commands that run together", async () => {
    const nats = await NatsServer.start([]);
    onTestFinished(() => nats.stop());
    const server = startCli(["serve", "127.0.0.1:0"]);
    const [, at] = await server.prints(/^listening on (\S+)$/m);
    const here = (command: readonly string[]) =>
      command.map((word) =>
        word.replace("nats://nats:4222", nats.url).replace("server:7777", at!).replace("150k", "30"),
      );
    const agents = Array.from({ length: AGENTS }, () => startCli(here(services.agent.command)));
    for (const agent of agents) await agent.prints(/waits for runs/);
    const { code, stdout } = await startCli([...here(services.coordinator.command), "-T", "0s"]).exited();
    expect([code, stdout]).toEqual([0, expect.stringMatching(/\b30\b[\s\S]*established/)]);
    for (const program of [...agents, server]) await program.kill("SIGTERM");
  });

  it("waits for as many agents as it starts, and lets all of them open their share", () => {
    const { coordinator, server, agent, nats } = services;
    expect(argument(coordinator.command, "--agents")).toBe(`${AGENTS}`);
    const connections = 1000 * Number.parseInt(argument(coordinator.command, "--connections")!, 10);
    expect(server.ulimits.nofile).toBeGreaterThan(connections);
    expect(agent.ulimits.nofile).toBeGreaterThan(connections / AGENTS);
    expect(Object.keys(coordinator.depends_on).sort()).toEqual(["agent", "server"]);
    expect(Object.keys(agent.depends_on)).toEqual(["nats"]);
    expect(nats.command).toContain("--jetstream");
  });
});

describe("kubernetes/", () => {
  const all = ["nats.yaml", "agents.yaml", "coordinator.yaml"].flatMap((file) =>
    parseAllDocuments(read(`kubernetes/${file}`)).map((document) => document.toJS()),
  );
  const podsOf = (container: string) => all.find(({ spec }) => spec?.template?.spec.containers[0].name === container);
  const [nats, agents, coordinator] = ["nats", "agent", "coordinator"].map(podsOf);
  const argsOf = ({ spec }: typeof agents): string[] => spec.template.spec.containers[0].args;

  it("uses only options that exist", async () => {
    for (const workload of [agents, coordinator]) {
      const [command, ...args] = argsOf(workload);
      const topics = command === "connect" ? ["", "fleet"] : [""];
      const helps = await Promise.all(topics.map((topic) => runCli([command!, "--help", topic].filter(Boolean))));
      const known = helps.flatMap(({ stdout }) => stdout.match(/--[a-z-]+/g));
      const used = args.flatMap((arg) => arg.match(/^--[a-z-]+/) ?? []);
      expect(used.length).toBeGreaterThan(1);
      for (const flag of used) expect(known).toContain(flag);
    }
  });

  it("leads agents and coordinator to the service of NATS, with the token of one Secret", () => {
    const service = all.find(({ kind }) => kind === "Service");
    expect(service.spec.selector).toEqual(nats.spec.template.metadata.labels);
    const url = `nats://${service.metadata.name}:${service.spec.ports[0].port}`;
    expect([argument(argsOf(agents), "--nats"), argument(argsOf(coordinator), "--fleet")]).toEqual([url, url]);
    const secrets = [nats, agents, coordinator].flatMap(({ spec }) =>
      spec.template.spec.containers[0].env.flatMap((variable: { valueFrom?: { secretKeyRef?: object } }) =>
        variable.valueFrom?.secretKeyRef ? [variable.valueFrom.secretKeyRef] : [],
      ),
    );
    expect(secrets).toEqual(Array(3).fill({ name: "fourtuple-nats", key: "token" }));
  });

  it("waits for as many agents as it starts, and selects its own pods", () => {
    expect(argument(argsOf(coordinator), "--agents")).toBe(`${agents.spec.replicas}`);
    for (const { spec } of [nats, agents]) expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels);
  });

  it.runIf(HAS_NATS)("configures NATS so that any token works", () => {
    const { env } = nats.spec.template.spec.containers[0];
    const { value }: { value: string } = env.find(({ name }: { name: string }) => name === "NATS_AUTH");
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-nats-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "nats.conf");
    writeFileSync(file, all.find(({ kind }) => kind === "ConfigMap").data["nats.conf"]);
    const check = (token: string) =>
      spawnSync("nats-server", ["-t", "-c", file], {
        env: { ...process.env, NATS_AUTH: value.replace("$(TOKEN)", token) },
        encoding: "utf8",
      });
    for (const token of ["12e4567", "00000000", "abc"]) expect(check(token)).toMatchObject({ status: 0 });
  });
});

/** Returns the value of an option. */
function argument(words: readonly string[], flag: string): string | undefined {
  const at = words.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  return words[at] === flag ? words[at + 1] : words[at]?.slice(flag.length + 1);
}
