// Tests `fourtuple ports` without privileges: netlink is refused, other users' processes cannot be inspected, or /proc
// is restricted.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../../support/address.js";
import { connectForeign, startForeignServer } from "../../support/peers.js";
import { CLI_FILE, type Exit, runCli, start, startCli } from "../../support/process.js";

const WITHOUT_NETLINK = { refused: ["netlink"] } as const;
const NOTE = /^note: netlink is unavailable \(EPERM\)/gm;
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

describe("without netlink", () => {
  it.each(["", "--list", "--map", "--json", "--listening", "--listening --json", "--pressure --json"])(
    "a note appears once on standard error: ports %s",
    async (more) => {
      const server = await startForeignServer();
      const { at, port } = server;
      await connectForeign(server);
      const args = more.split(" ").filter(Boolean);
      const { code, stdout, stderr } = await runCli(["ports", at, ...args], WITHOUT_NETLINK);
      expect(stderr.match(NOTE)).toHaveLength(1);
      expect(stdout).toContain(`${port}`);
      expect(code).toBe(0);
    },
  );

  it("a note appears once with --watch", async () => {
    const { at } = await startForeignServer();
    const watching = startCli(["ports", at, "--watch"], WITHOUT_NETLINK);
    await watching.prints(/opened 0\/s[\s\S]*opened 0\/s/);
    expect(watching.stderr.match(NOTE)).toHaveLength(1);
  });

  it("values missing from /proc are left empty", async () => {
    const { at } = await startForeignServer();
    const { stdout } = await runCli(["ports", at, "--list", "--memory"], WITHOUT_NETLINK);
    expect(stdout).toMatch(/^LISTEN +0 +- +\S+ +\S+ +- *$/m);
    expect((await runCli(["ports", at, "--listening"], WITHOUT_NETLINK)).stdout).toMatch(/:\d+ +0 +- +0 /);
  });

  it.skipIf(!canBecomeNobody())("exits with 3 if /proc is unavailable too: a privilege is missing", async () => {
    const shell = 'mount -t tmpfs none /proc && exec "$0" "$@"';
    const command = ["--mount", "bash", "-c", shell, process.execPath, CLI_FILE, "ports"];
    const { code, stderr } = await start("unshare", command, WITHOUT_NETLINK).exited();
    expect(stderr).toMatch(/neither sock_diag nor \/proc\/net\/tcp can be read \(EPERM\)[\s\S]*fix: /);
    expect(code).toBe(3);
  });
});

describe.skipIf(!canBecomeNobody())("--process without privileges", () => {
  // If /proc hides processes, even their number is unknown.
  const REASON = isProcHidden()
    ? /other users' processes are hidden \(\/proc is mounted with hidepid\): run as root to see all/
    : /\d+ process(es)? cannot be inspected: run as root to see all/;
  const asNobody = (...args: string[]): Promise<Exit> =>
    start(NOBODY[0]!, [...NOBODY.slice(1), process.execPath, CLI_FILE, "ports", ...args]).exited();

  it("explains why owners are missing", async () => {
    const { at } = await startForeignServer();
    const list = await asNobody(at, "--list", "--process");
    expect(list.stdout).toMatch(/LISTEN .* not visible\n/);
    expect(list.stderr).toMatch(REASON);
    const listeners = await asNobody(at, "--listening", "--process");
    expect(listeners.stdout).toMatch(/not visible/);
    expect(listeners.stdout).toMatch(REASON);
    expect((await asNobody(at, "--process")).stdout).toMatch(REASON);
  });

  it("notices that /proc hides other users' processes", async () => {
    const at = `${ownAddress()}:0`;
    // Process 1 of the new PID namespace belongs to root; the inspecting user does not.
    const shell = `mount -t proc -o hidepid=2 proc /proc && ${NOBODY.join(" ")} "$0" "$@"; exit $?`;
    const server = startCli(["serve", at]);
    const [, host] = await server.prints(/listening on ([\d.]+:\d+)/);
    const inside = ["bash", "-c", shell, process.execPath, CLI_FILE, "ports", host!, "--process"];
    const { stdout } = await start("unshare", ["--mount", "--pid", "--fork", "--kill-child", ...inside]).exited();
    expect(stdout).toMatch(/1 socket without a visible owner; other users' processes are hidden .*hidepid/);
  });
});

function isProcHidden(): boolean {
  // The latest mount over /proc is the effective one.
  const mounts = readFileSync("/proc/mounts", "utf8").match(/^\S+ \/proc proc .*$/gm) ?? [];
  return /hidepid=(1|2|4|noaccess|invisible|ptraceable)/.test(mounts.at(-1) ?? "");
}

/** Returns whether this process may switch to another user who can read the program; prints the reason if not. */
function canBecomeNobody(): boolean {
  const { status, stderr, error } = spawnSync(NOBODY[0]!, [...NOBODY.slice(1), "test", "-r", CLI_FILE], {
    encoding: "utf8",
  });
  if (status !== 0) console.warn(`skipped: user 65534 cannot run the program (be root): ${stderr || error?.message}`);
  return status === 0;
}
