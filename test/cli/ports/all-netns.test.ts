// Tests `ports --all-netns` with network namespaces of its own. Others may exist beside them.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { NamespaceRow, Namespaces } from "../../../src/results/sockets/namespaces.js";
import { namespacesSchema } from "../../../src/results/sockets/namespaces.js";
import { canUseBpf } from "../../support/bpf.js";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { CLI_FILE, runCli, start, startCli } from "../../support/process.js";
import { until } from "../../support/until.js";

/** No other test uses it in its own namespaces, which are counted as well. */
const PORT = 7467;
/** Holds this many connections, both ends in the same process. */
const HOLD = `const net = require("node:net");
const [port, count] = process.argv.slice(1).map(Number);
let open = 0;
const server = net.createServer(() => ++open === count && console.log("held"));
server.listen(port, "127.0.0.1", () => {
  for (let i = 0; i < count; i++) net.connect(port, "127.0.0.1");
});`;

/** @param wrapper command that runs it, such as one that gives it a host name of its own */
async function hold(namespace: string, connections: number, wrapper: readonly string[] = []): Promise<void> {
  const command = [...wrapper, process.execPath, "-e", HOLD, `${PORT}`, `${connections}`];
  await start("ip", ["netns", "exec", namespace, ...command]).prints(/held/);
}

async function readJson(...args: string[]): Promise<Namespaces> {
  const { stdout, stderr, code } = await runCli(["ports", "--all-netns", "--json", ...args]);
  expect([stderr, code]).toEqual(["", 0]);
  return JSON.parse(stdout);
}

const byName = ({ namespaces }: Namespaces, name: string): NamespaceRow | undefined =>
  namespaces.find(({ names }) => names.includes(name));

describe.skipIf(!canMakeNamespaces())("ports --all-netns", () => {
  it("shows the sockets of each namespace with its name, host name and process", async () => {
    const [first, second] = [makeNamespace(), makeNamespace()];
    await hold(first, 30);
    await hold(second, 20, ["unshare", "--uts", "sh", "-c", 'hostname web-pod-1 && exec "$0" "$@"']);
    const source = canUseBpf() ? "bpf" : "sock_diag";
    // A table that keeps changing, as other tests may make it, is read with sock_diag.
    const read = await until("a reading", readJson, (each) => byName(each, first)?.source === source);
    expect(namespacesSchema.parse(read)).toEqual(read);
    const counts = (connections: number) => ({
      ...{ isOwn: false, sockets: 2 * connections + 1, established: 2 * connections, listening: 1, timeWait: 0 },
      ...{ accepted: connections, opened: connections, source },
    });
    expect(byName(read, first)).toMatchObject(counts(30));
    expect(byName(read, second)).toMatchObject({ ...counts(20), hostname: "web-pod-1", process: { command: "node" } });
    const fullest = { sourceIp: "127.0.0.1", destinationIp: "127.0.0.1", destinationPort: PORT, inUse: 30 };
    expect(byName(read, first)?.fullest).toMatchObject(fullest);
    expect(read.namespaces.filter(({ isOwn }) => isOwn)).toHaveLength(1);
    const { stdout } = await runCli(["ports", "--all-netns", "--top", "1000"]);
    expect(stdout).toMatch(new RegExp(`${first} .*61 +60 +0 +1 +30 +0\\.1% +node \\(\\d+\\)`));
    expect(stdout).toMatch(/web-pod-1 \(.*41 +40 +0 +1 +20 +0\.1% +node/);
  });

  it("filters, and compares the fullest destination with --fail-above", async () => {
    const name = makeNamespace();
    await hold(name, 30);
    expect(byName(await readJson("--state", "listen"), name)).toMatchObject({
      sockets: 1,
      established: 0,
      listening: 1,
    });
    expect(byName(await readJson(`:${PORT}`, "--state", "established"), name)).toMatchObject({ sockets: 60 });
    expect((await runCli(["ports", "--all-netns", "--peer", "192.0.2.1"])).code).toBe(1);
    const fail = (percent: string) => runCli(["ports", "--all-netns", `:${PORT}`, "--fail-above", percent]);
    expect([(await fail("99")).code, (await fail("0.01")).code]).toEqual([0, 1]);
  });

  it("includes a namespace whose table of connections is its own", async () => {
    const [outer, inner] = [makeNamespace(), `fourtuple-own-${process.pid}`];
    // Not with ip netns exec, in whose mount namespace the new one would remain.
    const enter = ["nsenter", `--net=/run/netns/${outer}`];
    for (const command of ["sysctl -qw net.ipv4.tcp_child_ehash_entries=64", `ip netns add ${inner}`])
      spawnSync("env", [...enter, ...command.split(" ")]);
    try {
      spawnSync("ip", ["-n", inner, "link", "set", "lo", "up"]);
      await hold(inner, 10);
      expect(byName(await readJson(), inner)).toMatchObject({ source: "sock_diag", established: 20, listening: 1 });
    } finally {
      spawnSync("ip", ["netns", "delete", inner]);
    }
  });

  it("skips files in /run/netns that are not network namespaces", async () => {
    const script = `set -e
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
touch /run/netns/stale /run/netns/uts
mount --bind /proc/self/ns/uts /run/netns/uts
exec "$@"`;
    const command = ["sh", "-c", script, "sh", process.execPath, CLI_FILE, "ports", "--all-netns", "--json"];
    const { code, stdout, stderr } = await start("unshare", ["-mpf", "--mount-proc", ...command]).exited();
    expect([stderr, code]).toEqual(["", 0]);
    expect((JSON.parse(stdout) as Namespaces).namespaces.filter(({ refusedErrno }) => refusedErrno)).toEqual([]);
  });

  it("is refreshed with --watch", async () => {
    const name = makeNamespace();
    await hold(name, 10);
    const watching = startCli(["ports", "--all-netns", "--watch", "--json"]);
    await until(
      "two readings",
      () => watching.stdout.trimEnd().split("\n").length >= 2 && watching.stdout.endsWith("\n"),
    );
    watching.child.kill("SIGINT");
    expect((await watching.exited()).code).toBe(130);
    for (const line of watching.stdout.trimEnd().split("\n"))
      expect(byName(JSON.parse(line), name)).toMatchObject({ established: 20, listening: 1 });
  });

  it.each([
    ["", "true"],
    [", also where /proc hides processes", "mount -t proc -o hidepid=2 proc /proc"],
  ])("needs privileges%s", async (_, mount) => {
    makeNamespace();
    const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, CLI_FILE];
    const script = [...nobody, "ports", "--all-netns"].join(" ");
    const { code, stderr } = await start("unshare", ["--mount", "sh", "-c", `${mount} && exec ${script}`]).exited();
    expect(stderr).toMatch(/entering other network namespaces needs CAP_SYS_ADMIN[\s\S]*fix: run it as root/);
    expect(code).toBe(3);
  });
});
