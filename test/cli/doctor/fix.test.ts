// Tests --apply and --undo for real, in the test's own network namespace. Host-wide settings (fs.*, kernel.*) are
// mounted read-only there, so that no test can change them.
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { ROOT } from "../../support/library.js";
import { canMakeNamespaces, makeNamespace } from "../../support/namespace.js";
import { CLI_FILE, type Exit, hasProgram, runCli, start } from "../../support/process.js";

const RANGE = "net.ipv4.ip_local_port_range";
const RESERVED = "net.ipv4.ip_local_reserved_ports";
const SOMAXCONN = "net.core.somaxconn";
const NARROW = { [RANGE]: "40000 40099", [RESERVED]: "8080,40500-40509", [SOMAXCONN]: "100" };

/** 700 connections from one address to one port need 700 source ports; there are 100. */
const WANTED = ["-c", "700", "--target", "127.0.0.1:7777", "--source-ip", "127.0.0.5", "--source-port", "kernel"];
const QUESTION = ["doctor", ...WANTED, "--no-measure"];

const READ_ONLY = ["fs", "kernel", "vm"]
  .map(
    (folder) => `mount --bind /proc/sys/${folder} /proc/sys/${folder} && mount -o remount,ro,bind /proc/sys/${folder}`,
  )
  .join(" && ");

class Testbed {
  readonly name = makeNamespace();
  readonly folder = mkdtempSync(join(tmpdir(), "fourtuple-fix-"));
  readonly journal = join(this.folder, "journal.jsonl");

  constructor(values: Record<string, string> = NARROW) {
    onTestFinished(() => rmSync(this.folder, { recursive: true }));
    for (const [name, value] of Object.entries(values)) this.set(name, value);
  }

  run(command: string, ...args: string[]): Promise<Exit> {
    const inside = ["netns", "exec", this.name, "sh", "-c", `${READ_ONLY} && exec "$0" "$@"`, command, ...args];
    return start("ip", inside, { env: { SYSCTL_D: this.folder } }).exited(20_000);
  }

  doctor(...args: string[]): Promise<Exit> {
    return this.run(process.execPath, CLI_FILE, ...args);
  }

  apply(...args: string[]): Promise<Exit> {
    return this.doctor(...QUESTION, "--apply", "--journal", this.journal, ...args);
  }

  undo(...args: string[]): Promise<Exit> {
    return this.doctor("doctor", "--undo", "--journal", this.journal, ...args);
  }

  /** Returns the kernel's value, with numbers separated by one space. */
  get(name: string): string {
    return this.shell(`cat ${pathOf(name)}`).replaceAll("\t", " ");
  }

  set(name: string, value: string): void {
    this.shell(`echo "${value}" >${pathOf(name)}`);
  }

  values(): Record<string, string> {
    return Object.fromEntries([RANGE, RESERVED, SOMAXCONN].map((name) => [name, this.get(name)]));
  }

  async listen(port: number): Promise<void> {
    const server = start("ip", ["netns", "exec", this.name, process.execPath, CLI_FILE, "serve", `127.0.0.1:${port}`]);
    await server.prints(/listening on/);
  }

  private shell(command: string): string {
    const { status, stdout, stderr } = spawnSync("ip", ["netns", "exec", this.name, "sh", "-c", command], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${command}: ${stderr}`);
    return stdout.trim();
  }
}

const pathOf = (name: string) => `/proc/sys/${name.replaceAll(".", "/")}`;
const outcomesOf = ({ stdout }: Exit) =>
  (JSON.parse(stdout).outcomes as { name: string; status: string }[]).map(({ name, status }) => [name, status]);

describe.runIf(canMakeNamespaces())("in a network namespace", () => {
  let hostBefore: string;
  beforeAll(() => {
    hostBefore = readFileSync(pathOf(RANGE), "utf8");
  });

  it("--fix shows the changes in order and makes none", async () => {
    const testbed = new Testbed();
    await testbed.listen(50_001);
    const { code, stdout } = await testbed.doctor(...QUESTION, "--fix");
    expect(stdout).toMatch(/net\.core\.somaxconn {2}100 → 768[\s\S]*ip_local_reserved_ports[\s\S]*ip_local_port_range/);
    expect(stdout).toMatch(/8080,40500-40509 → 8080,40500-40509,50001\n/);
    expect(stdout).toMatch(/40000 40099 → 40000 65535[\s\S]*by hand +sysctl -w[\s\S]*container +--sysctl/);
    expect(code).toBe(0);
    expect(testbed.values()).toEqual(NARROW);
  });

  it("--apply makes them, the load then fits, and --undo reverts them", async () => {
    const testbed = new Testbed();
    await testbed.listen(50_001);
    await testbed.listen(7777);
    expect((await testbed.doctor(...QUESTION)).code).toBe(1);
    const applied = await testbed.apply();
    expect(applied.stdout).toMatch(
      /3 of 3 settings changed\n[\s\S]*recorded; to revert: fourtuple doctor --undo --journal .*journal\.jsonl/,
    );
    expect(applied.code).toBe(0);
    expect(testbed.values()).toEqual({
      [RANGE]: "40000 65535",
      [RESERVED]: "8080,40500-40509,50001",
      [SOMAXCONN]: "768",
    });
    expect(statSync(testbed.journal).mode & 0o777).toBe(0o600);
    expect((await testbed.doctor(...QUESTION)).code).toBe(0);
    // Nothing is left to apply.
    expect(outcomesOf(await testbed.apply("--json"))).toEqual([]);

    const undone = await testbed.undo();
    expect(undone.stdout).toMatch(/3 of 3 changes reverted/);
    expect(undone.code).toBe(0);
    expect(testbed.values()).toEqual(NARROW);
    expect(await testbed.undo()).toMatchObject({ code: 0, stdout: expect.stringMatching(/nothing to undo/) });
  });

  it("--undo leaves alone what another program has changed, says so, and reverts the rest", async () => {
    const testbed = new Testbed();
    await testbed.listen(50_001);
    await testbed.apply();
    testbed.set(RANGE, "30000 65000");
    const text = await testbed.undo();
    expect(text.stdout).toMatch(
      /left alone .*ip_local_port_range {2}is 30000 65000, was 40000 40099 \(changed by another program/,
    );
    expect(text.code).toBe(1);
    // The service's port stays reserved, because the range is still wide.
    const reserved = "8080,40500-40509,50001";
    expect(testbed.values()).toEqual({ ...NARROW, [RANGE]: "30000 65000", [RESERVED]: reserved });
    // After a manual restore, there is nothing left to undo.
    testbed.set(RANGE, "40000 40099");
    const again = await testbed.undo("--json");
    expect(outcomesOf(again)).toEqual([
      [RANGE, "nothing-to-do"],
      [RESERVED, "restored"],
    ]);
    expect(testbed.values()).toEqual(NARROW);
    expect(again.code).toBe(0);
  });

  it("--undo in another network namespace leaves it alone", async () => {
    const testbed = new Testbed();
    const other = new Testbed({ ...NARROW, [RANGE]: "40000 65535" });
    await testbed.apply();
    const { code, stdout } = await other.doctor("doctor", "--undo", "--journal", testbed.journal, "--json");
    expect(JSON.parse(stdout).outcomes.map(({ status }: { status: string }) => status)).toEqual([
      "left-alone",
      "left-alone",
    ]);
    expect(code).toBe(1);
    expect(other.get(RANGE)).toBe("40000 65535");
    expect((await testbed.undo()).code).toBe(0);
  });

  it.each([
    ["before", "40000 40099", "nothing-to-do"],
    ["after", "40000 65535", "restored"],
  ])("killed %s the change: the journal has an entry for it, and --undo handles it", async (moment, value, status) => {
    const testbed = new Testbed();
    const change = { kind: "sysctl", name: RANGE, from: "40000 40099", to: "40000 65535", privilege: "CAP_NET_ADMIN" };
    const program = `${ROOT}test/support/programs/killed-apply.mjs`;
    const options = JSON.stringify({ change, journal: testbed.journal, moment });
    expect((await testbed.run(process.execPath, program, options)).signal).toBe("SIGKILL");
    expect(testbed.get(RANGE)).toBe(value);
    const lines = readFileSync(testbed.journal, "utf8").trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { name: RANGE, from: "40000 40099", to: "40000 65535" },
    ]);
    // Appends a torn line, as a crash during the next write would leave.
    appendFileSync(testbed.journal, lines[0]!.slice(0, 40));
    const undone = await testbed.undo("--json");
    expect(outcomesOf(undone)).toEqual([[RANGE, status]]);
    expect(JSON.parse(undone.stdout).tornLines).toBe(1);
    expect(JSON.parse((await testbed.undo("--json")).stdout).tornLines).toBe(0);
    expect(undone.code).toBe(0);
    expect(testbed.get(RANGE)).toBe("40000 40099");
  });

  it("--undo of another user mentions root's journal", async ({ skip }) => {
    if (!hasProgram("setpriv")) skip("setpriv is needed to become nobody");
    const hide = "mount -t tmpfs none /var/lib && mkdir -m 700 /var/lib/fourtuple";
    const nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent";
    const { stdout } = await start("unshare", [
      ...["-m", "sh", "-c", `${hide} && exec ${nobody} "$0" "$@"`],
      ...[process.execPath, CLI_FILE, "doctor", "--undo"],
    ]).exited();
    expect(stdout).toMatch(/^nothing to undo in \/nonexistent/);
    expect(stdout).toMatch(/^changes made by root are in \/var\/lib\/fourtuple\/journal\.jsonl: undo them as root$/m);
  });

  it("without privileges --apply lists what was not done and exits with 3", async ({ skip }) => {
    if (!hasProgram("setpriv")) skip("setpriv is needed to become nobody");
    const testbed = new Testbed();
    chmodSync(testbed.folder, 0o777);
    const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", process.execPath, CLI_FILE];
    const { code, stdout, stderr } = await testbed.run(
      "setpriv",
      ...nobody,
      ...[...QUESTION, "--apply", "--journal", testbed.journal],
    );
    expect(stdout).toMatch(/0 of 2 settings changed/);
    expect(stdout).toMatch(/refused {2}net\.core\.somaxconn {2}100 → 768 \(needs CAP_NET_ADMIN/);
    expect(stdout).toMatch(/refused {2}net\.ipv4\.ip_local_port_range {2}40000 40099 → 40000 65535/);
    expect([code, stderr]).toEqual([3, ""]);
    expect(testbed.values()).toEqual(NARROW);
    // Nothing was changed, so nothing is recorded.
    expect(existsSync(testbed.journal)).toBe(false);
    await testbed.apply();
    chmodSync(testbed.journal, 0o644);
    const undone = await testbed.run("setpriv", ...nobody, "doctor", "--undo", "--journal", testbed.journal);
    expect(undone.stdout).toMatch(/refused +net\.ipv4\.ip_local_port_range/);
    expect(undone.code).toBe(3);
  });

  it("host-wide settings are refused where they are read-only, and the others are applied", async () => {
    const testbed = new Testbed();
    const { code, stdout } = await testbed.doctor(
      ...["doctor", "-c", "2g", "--role", "client", "--target", "127.0.0.1:7777", "--source-ip", "127.0.0.5"],
      ...["--source-port", "kernel", "--no-measure", "--apply", "--journal", testbed.journal, "--json"],
    );
    const status = Object.fromEntries(outcomesOf({ stdout } as Exit));
    expect(status).toMatchObject({ "fs.epoll.max_user_watches": "refused", [RANGE]: "done" });
    expect(stdout).toMatch(/read-only here, as is usual in a container: set it on the host/);
    expect(code).toBe(3);
  });

  it("--script sets the same values, merges reserved ports at run time, and lowers nothing", async () => {
    const testbed = new Testbed();
    await testbed.listen(50_001);
    const { stdout: script } = await testbed.doctor(...QUESTION, "--script");
    testbed.set(RESERVED, "9999");
    testbed.set(SOMAXCONN, "5000");
    testbed.set(RANGE, "39000 40000");
    const ran = await testbed.run("sh", "-c", script);
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    expect(testbed.values()).toEqual({
      [RANGE]: "39000 65535",
      [RESERVED]: "8080,9999,40500-40509,50001",
      [SOMAXCONN]: "5000",
    });
    const file = readFileSync(join(testbed.folder, "90-fourtuple.conf"), "utf8");
    expect(file).toMatch(
      /^# .*\n\n# .*\n# before: 100\nnet\.core\.somaxconn = 768\n\n# 1 port used by services .*50001\n# before: 8080,40500-40509\n.* = 8080,40500-40509,50001\n\n# .*\n# .*\nnet\.ipv4\.ip_local_port_range = 40000 65535\n$/,
    );
    expect(JSON.parse((await testbed.doctor(...QUESTION, "--script", "--json")).stdout)).toMatchObject({
      kind: "script",
    });
  });

  it("the sysctl.d file is accepted by sysctl", async ({ skip }) => {
    if (!hasProgram("sysctl")) skip("sysctl is needed");
    const testbed = new Testbed();
    const { stdout } = await testbed.doctor(...QUESTION, "--script", "--json");
    const file = `${JSON.parse(stdout).sysctlFile}`;
    const ran = await testbed.run(
      "sh",
      "-c",
      `cat >"$SYSCTL_D/try.conf" <<'END'\n${file}END\nsysctl -p "$SYSCTL_D/try.conf"`,
    );
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    expect(testbed.get(RANGE)).toBe("40000 65535");
  });

  it("leaves the host's own settings unchanged", () => {
    expect(readFileSync(pathOf(RANGE), "utf8")).toBe(hostBefore);
  });
});

describe("invalid usage exits with 2", () => {
  it.each<[string, string[], RegExp]>([
    ["--undo with options of a load", ["--undo", "-c", "5"], /--undo.* cannot be used with .*-c/],
    ["--undo with --apply", ["--undo", "--apply"], /cannot be used with/],
    ["--script with --apply", ["--script", "--apply"], /cannot be used with/],
    ["--fix for hypothetical hardware", ["--fix", "--cores", "64"], /cannot be used with .*--cores/],
    ["--fix for a run's result", ["--fix", "--explain", "-"], /cannot be used with .*--explain/],
    [
      "--journal without --apply or --undo",
      ["--journal", "x"],
      /--journal requires --apply or --undo[\s\S]*fix: add --apply/,
    ],
  ])("%s", async (_, args, pattern) => {
    const { code, stderr, stdout } = await runCli(["doctor", ...args]);
    expect(stderr).toMatch(pattern);
    expect([code, stdout]).toEqual([2, ""]);
  });
});
