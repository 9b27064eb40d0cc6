// Tests --transport packet between two hosts, each a network namespace: over a routed prefix, with spare addresses of
// the common network, and how the changes to the client's host come and go.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { networkLines } from "../../../src/output/text/network.js";
import { canMakeNamespaces, enterNamespaceUntil } from "../../support/namespace.js";
import { CLI_FILE, hasProgram, resultOf, runCli, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

const [SERVER, SERVER_V6, CLIENT] = ["10.98.0.1", "fd00:98::1", "10.98.0.2"];
/** Names contain a dot, as those of VLANs do. */
const LINK = "eth0.5";
const NAMESPACE = `fourtuple-network-${process.pid}`;
const FORWARDING = "net.ipv4.conf.eth0/5.forwarding";
const ROUTED = ["--source-ip", "10.64.0.0/16"];

const folder = mkdtempSync(join(tmpdir(), "fourtuple-network-"));
const APPLY = ["--apply", "--journal", join(folder, "journal.jsonl")];
let server: ChildProcess;
let port: number;
let leave = () => {};

function ip(command: string, namespace?: string): string {
  const at = namespace === undefined ? [] : ["-n", namespace];
  const { status, stdout, stderr } = spawnSync("ip", [...at, ...command.split(" ")], { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${command}: ${stderr}`);
  return stdout;
}

function setting(path: string): string {
  return readFileSync(`/proc/sys/net/${path}`, "utf8").trim();
}

/** Reads everything that a run may change on the client's host. */
function settings() {
  const lines = (text: string) => text.split("\n").filter((line) => line !== "").length;
  return {
    forwarding: setting(`ipv4/conf/${LINK}/forwarding`),
    forwardingV6: setting("ipv6/conf/all/forwarding"),
    delay: setting(`ipv4/neigh/${LINK}/proxy_delay`),
    delayV6: setting(`ipv6/neigh/${LINK}/proxy_delay`),
    proxyV6: setting(`ipv6/conf/${LINK}/proxy_ndp`),
    proxied: lines(ip("neigh show proxy")),
    devices: lines(ip("-o link show type tun")),
  };
}

/** Returns whether any TUN device of fourtuple exists. Starts no program, because it is asked often. */
function hasDevice(): boolean {
  return readFileSync("/proc/thread-self/net/dev", "utf8").includes("fourtuple");
}

/** Arguments of a client with 40 connections. */
function connecting(args: readonly string[], to = SERVER): string[] {
  const at = to.includes(":") ? `[${to}]` : to;
  return ["connect", `${at}:${port}`, "-c", "40", "--transport", "packet", "--json", ...args];
}

/** Starts a client that does not end by itself, and waits until it has changed this host and has its device. */
async function hold(args: readonly string[]) {
  const client = startCli(connecting([...args, "-T", "60s"]));
  // Before its changes, a run makes a device for a moment to find out whether it may.
  await until("a device", () => setting(`ipv4/conf/${LINK}/forwarding`) === "1" && hasDevice());
  return client;
}

describe.skipIf(!canMakeNamespaces())("connect --transport packet to another host", () => {
  let before: ReturnType<typeof settings>;

  beforeAll(async () => {
    leave = enterNamespaceUntil();
    ip(`netns add ${NAMESPACE}`);
    ip(`link add ${LINK} type veth peer name fourtuple-s netns ${NAMESPACE}`);
    for (const [v4, v6, device, at] of [
      [SERVER, SERVER_V6, "fourtuple-s", NAMESPACE],
      [CLIENT, "fd00:98::2", LINK, undefined],
    ] as const) {
      ip(`addr add ${v4}/24 dev ${device}`, at);
      ip(`addr add ${v6}/64 dev ${device} nodad`, at);
      ip(`link set ${device} up`, at);
    }
    ip(`route add 10.64.0.0/16 via ${CLIENT}`, NAMESPACE);
    ip("addr add 10.98.0.77/32 dev fourtuple-s", NAMESPACE);
    // The kernel asks for an address three times, here without waiting long in between.
    for (const family of ["ipv4", "ipv6"]) {
      writeFileSync(`/proc/sys/net/${family}/neigh/${LINK}/retrans_time_ms`, "30");
    }
    writeFileSync("/proc/sys/net/ipv4/conf/all/rp_filter", "1");
    const command = [process.execPath, CLI_FILE, "serve", "[::]:0", "--json", "--log", "none"];
    server = spawn("ip", ["netns", "exec", NAMESPACE, ...command], { stdio: ["ignore", "pipe", "inherit"] });
    [{ port }] = (await once(server.stdout!, "data")).map((line) => JSON.parse(`${line}`));
    before = settings();
  });

  afterEach(() => {
    expect(settings()).toEqual(before);
  });

  afterAll(async () => {
    if (server !== undefined) {
      server.kill();
      await once(server, "exit");
      ip(`netns delete ${NAMESPACE}`);
    }
    leave();
    rmSync(folder, { recursive: true });
  });

  it("forwards a routed block, but only if asked to", async () => {
    const refused = await runCli(connecting(ROUTED));
    expect(refused.stderr).toContain(
      `packets between 10.64.0.0/16 and other hosts need a change to this host: ${FORWARDING} (0 → 1)`,
    );
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/\n +fix: add --apply/)]);
    const { code, stdout, stderr } = await runCli(connecting([...ROUTED, ...APPLY, "-T", "0"]));
    expect(stderr).toContain(`${FORWARDING}  0 → 1`);
    expect(resultOf(stdout)).toMatchObject({ established: 40, lost: 0 });
    expect(code).toBe(0);
  });

  it("announces segments that fit its link", async () => {
    ip(`link set ${LINK} mtu 1400`);
    onTestFinished(() => void ip(`link set ${LINK} mtu 1500`));
    const client = await hold([...ROUTED, ...APPLY]);
    const ss = ["netns", "exec", NAMESPACE, "ss", "-Htni", "state", "established", `sport = :${port}`];
    const sizes = () =>
      [...spawnSync("ip", ss, { encoding: "utf8" }).stdout.matchAll(/\bmss:(\d+)/g)].map(([, mss]) => mss);
    await until("the server's sockets", sizes, (found) => found.length === 40);
    expect(new Set(sizes())).toEqual(new Set(["1360"]));
    client.child.kill("SIGINT");
    expect((await client.exited()).code).toBe(130);
  });

  it.skipIf(!hasProgram("nft"))("says if answers come from another address", async () => {
    const rules = `table ip elsewhere { chain c { type filter hook output priority raw; tcp sport ${port} ip saddr set 10.98.0.9; }; }`;
    spawnSync("ip", ["netns", "exec", NAMESPACE, "nft", rules]);
    onTestFinished(() => void spawnSync("ip", ["netns", "exec", NAMESPACE, "nft", "delete table ip elsewhere"]));
    const { stdout } = await runCli(connecting([...ROUTED, ...APPLY, "--connect-timeout", "500ms"]));
    const { established, diagnosis } = resultOf(stdout);
    expect(established).toBe(0);
    expect(diagnosis.suspects[0].meaning).toMatch(/^answers come from another address/);
  });

  it("is explained by doctor, which changes nothing", async () => {
    const asked = ["--target", `${SERVER}:${port}`, "--transport", "packet", "-c", "1m", "--no-measure"];
    const { stdout } = await runCli(["doctor", ...asked, ...ROUTED, "--json"]);
    const routed = JSON.parse(stdout);
    expect(routed).toMatchObject({
      role: "client",
      transport: "packet",
      network: { way: "routed", blocks: ["10.64.0.0/16"], links: [LINK], changes: [{ name: FORWARDING, to: "1" }] },
    });
    const text = networkLines({ ...routed.network, way: "same-link", onLink: 62 }).join("\n");
    expect(text).toMatch(/^62 source addresses are in the network of eth0\.5: .*\nconnect --apply: net.* {2}0 → 1 /);
  });

  it.each([
    ["10.98.0.128/26", "62 addresses", SERVER],
    ["fd00:98::100-fd00:98::103", "4 addresses", SERVER_V6],
  ])("answers for spare addresses of the common network, such as %s", async (source, asked, to) => {
    const { code, stdout, stderr } = await runCli(connecting(["--source-ip", source, ...APPLY, "-T", "0"], to));
    expect(stderr).toContain(`asking on ${LINK} whether anybody has one of ${asked}`);
    expect(resultOf(stdout)).toMatchObject({ established: 40, lost: 0 });
    expect(code).toBe(0);
  });

  it("takes no address that answers, and none that this host knows of", async () => {
    const refuse = async (source: string) => (await runCli(connecting(["--source-ip", source, ...APPLY]))).stderr;
    expect(await refuse("10.98.0.70-10.98.0.79")).toMatch(/10\.98\.0\.77 on eth0\.5 is taken: another host answers/);
    ip(`neigh add 10.98.0.90 lladdr 02:00:00:00:00:01 nud stale dev ${LINK}`);
    expect(await refuse("10.98.0.90")).toMatch(/10\.98\.0\.90 on eth0\.5 is in this host's neighbour table/);
  });

  it("takes no addresses that no host can have", async () => {
    const refuse = async (source: string) => (await runCli(connecting(["--source-ip", source, ...APPLY]))).stderr;
    expect(await refuse("223.255.255.0-224.0.0.9")).toMatch(/224\.0\.0\.0\/29 cannot be used: .* multicast/);
    expect(await refuse("255.255.255.0/24")).toMatch(/255\.255\.255\.0\/24 cannot be used: .* broadcast/);
    expect(await refuse("169.254.3.0/24")).toMatch(/169\.254\.3\.0\/24 cannot be used: .* link-local/);
  });

  it("serves at a spare address of the common network", async () => {
    const serving = ["serve", "10.98.0.220:0", "--transport", "packet", "--json", "--log", "none"];
    expect((await runCli(serving)).stderr).toMatch(
      /need 3 changes to this host: .*proxy 10\.98\.0\.220-10\.98\.0\.220 dev/,
    );
    const packets = startCli([...serving, ...APPLY]);
    const listening = JSON.parse((await packets.prints(/.+\n/))[0]);
    const command = [
      process.execPath,
      CLI_FILE,
      "connect",
      `10.98.0.220:${listening.port}`,
      "-c",
      "9",
      "-T",
      "0",
      "--json",
    ];
    const { stdout } = await start("ip", ["netns", "exec", NAMESPACE, ...command]).exited();
    expect(resultOf(stdout)).toMatchObject({ established: 9, lost: 0 });
    packets.child.kill("SIGTERM");
    expect((await packets.exited()).code).toBe(0);
  });

  it("reverts its changes after Ctrl-C, and those of a killed run at the next start or with doctor --undo", async () => {
    const source = ["--source-ip", "10.98.0.200-10.98.0.209", ...APPLY];
    const stopped = await hold(source);
    expect(settings()).toMatchObject({ forwarding: "1", delay: "0", proxied: 10, devices: 1 });
    stopped.child.kill("SIGINT");
    expect((await stopped.exited()).code).toBe(130);
    expect(settings()).toEqual(before);
    const undo = () => runCli(["doctor", "--undo", ...APPLY.slice(1)]);

    const killed = await hold(source);
    const early = await undo();
    expect(early.stdout).toMatch(
      RegExp(`left alone +${FORWARDING}  is 1, was 0 \\(in use by a run, process ${killed.pid}`),
    );
    await killed.kill("SIGKILL");
    await until("no device", () => !hasDevice());
    expect(settings()).toMatchObject({ forwarding: "1", delay: "0", proxied: 10 });
    const { stdout } = await undo();
    expect(stdout).toMatch(RegExp(`restored +${FORWARDING}  back to 0`));
    expect(settings()).toEqual(before);

    await (await hold(source)).kill("SIGKILL");
    await until("no device", () => !hasDevice());
    const next = await runCli(connecting(["--source-ip", "10.98.0.210", ...APPLY, "-T", "0"]));
    expect(next.stderr).toContain(`an earlier run was killed before it could revert its changes to this host`);
    expect(next.stderr).toContain(`  ${FORWARDING}  back to 0`);
    expect(next.code).toBe(0);
  });
});
