// Tests `fourtuple ports` for another network namespace, given by name, by path, or by a process in it.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { CLI_FILE, hasProgram, runCli, start } from "../../support/process.js";

const LISTENER = `
const net = require("node:net");
const server = net.createServer().listen(7777, "127.0.0.1", () => {
  for (let i = 0; i < 3; i++) net.connect(7777, "127.0.0.1");
  let accepted = 0;
  server.on("connection", () => ++accepted === 3 && console.log("ready"));
});`;

/** Creates a namespace in which a process listens on port 7777 and has three connections to itself. */
async function inhabited() {
  const name = makeNamespace();
  const process_ = start("ip", ["netns", "exec", name, process.execPath, "--eval", LISTENER]);
  await process_.prints(/ready/);
  return { name, pid: process_.pid };
}

describe.skipIf(!canMakeNamespaces())("sockets in another network namespace", () => {
  it("are found by its name, its path and a process in it, in every view", async () => {
    const { name, pid } = await inhabited();
    for (const where of [
      ["--netns", name],
      ["-N", `/run/netns/${name}`],
      ["--pid", `${pid}`],
    ]) {
      const pressure = await runCli(["ports", "--pressure", ...where]);
      expect(pressure).toMatchObject({ code: 0, stderr: "" });
      expect(pressure.stdout).toMatch(/127\.0\.0\.1 → 127\.0\.0\.1:7777 +3 /);
    }
    const port = await runCli(["ports", ":7777", "--netns", name]);
    expect(port.stdout).toContain("3 ESTABLISHED sockets share local port 7777");
    const rows = await runCli(["ports", "--list", "--no-header", "--netns", name]);
    expect(rows.stdout.trimEnd().split("\n")).toHaveLength(7);
    const owners = await runCli(["ports", "-ltnp", "--pid", `${pid}`, "--json"]);
    expect(JSON.parse(owners.stdout).listeners).toMatchObject([{ port: 7777, owner: { pid } }]);
    expect((await runCli(["ports", "--map", "--netns", name])).stdout).toContain("127.0.0.1");
  });

  it("are shown with that namespace's port range, also when read from /proc", async () => {
    const { name } = await inhabited();
    spawnSync("ip", ["netns", "exec", name, "sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40999"]);
    for (const refused of [undefined, ["netlink"] as const]) {
      const { stdout } = await runCli(["ports", "--pressure", "--json", "--netns", name], refused && { refused });
      expect(JSON.parse(stdout)).toMatchObject({ portRange: { first: 40_000, last: 40_999 }, outgoing: 3 });
    }
  });

  it("are not shown for an unknown name: exit 2, with the known names", async () => {
    const name = makeNamespace();
    const unknown = await runCli(["ports", "--netns", "no-such-namespace"]);
    expect(unknown.stderr).toMatch(/--netns no-such-namespace: \/run\/netns\/no-such-namespace does not exist/);
    expect(unknown.stderr).toContain(name);
    expect(unknown.code).toBe(2);
    const file = await runCli(["ports", "--netns", CLI_FILE]);
    expect(file).toMatchObject({ code: 2 });
    expect(file.stderr).toMatch(/is not a network namespace\n {2}fix: /);
    // Above the largest possible process number (PID_MAX_LIMIT).
    const pid = await runCli(["ports", "--pid", "4194305"]);
    expect(pid).toMatchObject({ code: 2 });
    expect(pid.stderr).toMatch(/no such process\n {2}fix: /);
    expect(await runCli(["ports", "--pid", "1", "--netns", name])).toMatchObject({ code: 2 });
  });

  it.skipIf(!hasProgram("setpriv"))("require a privilege: exit 3, with a command that works", async () => {
    const { name, pid } = await inhabited();
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, CLI_FILE, "ports"];
    for (const where of [
      ["--netns", name],
      ["--pid", `${pid}`],
    ]) {
      const { code, stderr } = await start("setpriv", [...nobody, ...where]).exited();
      expect(stderr).toMatch(/needs CAP_SYS_ADMIN\n {2}fix: run it as root, .*nsenter/);
      expect(code).toBe(3);
    }
  });

  it.skipIf(!hasProgram("setpriv") || !canMakeNamespaces())(
    "require a privilege even where /proc hides the process",
    async () => {
      const shell = 'mount -t proc -o hidepid=2 proc /proc && exec setpriv "$@"';
      const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath, CLI_FILE, "ports"];
      const { pid } = await inhabited();
      const ran = await start("unshare", ["--mount", "bash", "-c", shell, "sh", ...nobody, "--pid", `${pid}`]).exited();
      expect(ran.stderr).toMatch(/needs CAP_SYS_ADMIN/);
      expect(ran.code).toBe(3);
    },
  );
});
