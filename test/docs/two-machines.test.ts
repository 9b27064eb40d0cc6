// Tests the set-ups of docs/two-machines.md, as far as possible without virtual machines and containers.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ownPort } from "../support/address.js";
import { ROOT } from "../support/library.js";
import { commandsIn, readPage } from "../support/markdown.js";
import { hasProgram, startCli } from "../support/process.js";

const read = (file: string) => readFileSync(`${ROOT}${file}`, "utf8");
const page = readPage("docs/two-machines.md");
const commands = commandsIn(page).join("\n");

describe("compose.yaml", () => {
  const { services, networks } = parse(read("compose.yaml"), { merge: true });

  it("has the services that the page names, built from this repository, on an internal network", () => {
    const named = [...commands.matchAll(/docker compose exec (?:--index \d )?(\w+)/g)].map(([, service]) => service!);
    expect(new Set(named)).toEqual(new Set(Object.keys(services)));
    for (const { build, image, networks: joined } of Object.values<typeof services.server>(services)) {
      // With an image name, both builds would export to it at the same time, which Compose rejects on the first build.
      expect(image).toBeUndefined();
      expect(existsSync(`${ROOT}${build.dockerfile}`)).toBe(true);
      expect(joined).toEqual(["wire"]);
    }
    expect(networks.wire.internal).toBe(true);
  });

  it("starts nothing but fourtuple, because the image contains no other program", () => {
    expect(read("docker/Dockerfile")).toContain('ENTRYPOINT ["fourtuple"]');
    for (const { entrypoint, command } of Object.values<typeof services.server>(services)) {
      expect(entrypoint).toBeUndefined();
      expect(["serve", "exporter"]).toContain(command[0]);
    }
    expect(services.server.healthcheck.test.slice(0, 2)).toEqual(["CMD", "fourtuple"]);
  });

  it("has enough descriptors on the server for all clients of the page", () => {
    const perClient = [...commands.matchAll(/exec --index \d client .* -c (\d+)k/g)].map(([, count]) => Number(count));
    const all = perClient.reduce((sum, count) => sum + count * 1000, 0);
    expect(all).toBeGreaterThan(65_535);
    expect(services.server.ulimits.nofile).toBeGreaterThan(all);
  });

  it("checks the server's health with a command that works", async () => {
    // A port with no other listener, on any address, after the server has ended.
    const server = startCli(["serve", `127.0.0.1:${ownPort()}`]);
    const [, port] = await server.prints(/^listening on [\d.]+:(\d+)$/m);
    const [, , ...args]: string[] = services.server.healthcheck.test;
    expect(args).toContain(`:${services.server.command[1].split(":")[1]}`);
    const look = () => startCli(args.map((arg) => arg.replace(/^:\d+$/, `:${port}`))).exited();
    expect((await look()).code).toBe(0);
    await server.kill("SIGTERM");
    expect((await look()).code).toBe(1);
  });
});

describe("docker/Dockerfile", () => {
  const dockerfile = read("docker/Dockerfile");

  it("copies only files that exist and pass .dockerignore", () => {
    const copies = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, files]) => files!.split(" "));
    const passed = read("docker/Dockerfile.dockerignore").matchAll(/^!(.+)$/gm);
    expect([...passed].map(([, file]) => file).sort()).toEqual([...copies].sort());
    for (const file of copies) expect(existsSync(ROOT + file), file).toBe(true);
  });
});

describe("Vagrantfile", () => {
  const vagrantfile = read("Vagrantfile");

  it("is valid Ruby", ({ skip }) => {
    if (!hasProgram("ruby")) skip();
    const { status, stderr } = spawnSync("ruby", ["-c", `${ROOT}Vagrantfile`], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("has the machines and addresses that the page names", () => {
    const machines = [...vagrantfile.matchAll(/"(\w+)" => "([\d.]+)"/g)].map(([, name, ip]) => ({
      name: name!,
      ip: ip!,
    }));
    expect(machines.map(({ name }) => name)).toEqual(["server", "client"]);
    for (const { name, ip } of machines) {
      expect(page.replaceAll("\n", " ")).toContain(`\`${name}\`, ${ip}`);
      expect(commands).toContain(`vagrant ssh ${name}`);
    }
    expect(commands).toContain(`fourtuple connect ${machines[0]!.ip}:7777`);
  });
});
