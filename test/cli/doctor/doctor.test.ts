// Tests `fourtuple doctor` end to end: its output and exit codes, a host that hides information, and a result of an
// older version.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Diagnosis, Prediction } from "../../../src/index.js";
import { ownAddress } from "../../support/address.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { startServer } from "../../support/peers.js";
import { CLI_FILE, resultOf, runCli, start } from "../../support/process.js";

const doctor = (...args: string[]) => runCli(["doctor", ...args], { deadlineMs: 20_000 });

describe("a prediction", () => {
  it("starts with the ceiling, then the binding limit, then all limits", async () => {
    const { code, stdout } = await doctor("-c", "1k", "--no-measure");
    expect(code).toBe(0);
    const lines = stdout.split("\n");
    expect(lines[0]).toMatch(
      /^this host can hold both ends of [\d,]+ connections with ordinary programs, enough for the 1,000 requested$/,
    );
    expect(lines[1]).toMatch(/^with fourtuple [\d,]+ \(.*\), enough for the 1,000 requested$/);
    expect(stdout).toMatch(/^ {2}binding +\S/m);
    expect(stdout).toMatch(/^ {2}limit +now +allows +needed +verdict$/m);
    expect(stdout).toMatch(/^ {2}RLIMIT_NOFILE /m);
  });

  it("exits with 1 and names the limit if the target is not met", async () => {
    const args = ["-c", "5k", "--source-ip", "127.0.0.2", "--source-port", "20000-20999", "--no-measure", "--json"];
    const { code, stdout } = await doctor(...args);
    const prediction: Prediction = JSON.parse(stdout);
    expect(code).toBe(1);
    expect(prediction).toMatchObject({ isTargetMet: false, binding: { id: "source-ports", verdict: "insufficient" } });
    expect(prediction.ceiling).toBeLessThanOrEqual(1000);
    expect(prediction.limits[0]!.id).toBe("source-ports");
  });

  it("answers for hypothetical hardware", async () => {
    const args = ["-c", "10m", "--role", "server", "--memory", "128GiB", "--cores", "32", "--nofile", "1048576"];
    const { code, stdout } = await doctor(...args, "--no-measure", "--json");
    const prediction: Prediction = JSON.parse(stdout);
    expect(code).toBe(1);
    expect(prediction).toMatchObject({ isWhatIf: true, cores: 32, binding: { id: "nofile" } });
    expect(prediction.clients!.addresses).toBe(156);
  });

  it("is for an ordinary program by default: the open-file limit is the server's", async () => {
    const ask = async (args: string[], nofile?: number) => {
      const line = ["doctor", "--role", "server", "-c", "5k", "--no-measure", "--json", ...args];
      const { code, stdout } = await runCli(line, { ...(nofile !== undefined && { nofile }) });
      const { ceiling, binding, answers }: Prediction = JSON.parse(stdout);
      return { code, ceiling, id: binding?.id, fourtuple: answers.fourtuple.isTargetMet };
    };
    const limited = await ask([], 4000);
    expect(limited).toMatchObject({ code: 1, id: "nofile", fourtuple: true });
    expect(limited.ceiling).toBeGreaterThan(3900);
    expect(limited.ceiling).toBeLessThan(4000);
    // A single value for --nofile gives the same result.
    expect((await ask(["--nofile", "4000"])).ceiling).toBe(limited.ceiling);
    expect(await ask(["--for", "fourtuple"], 4000)).toMatchObject({ code: 0 });
  });

  it("uses the kernel's range of ports and one address by default", async () => {
    const ask = async (...args: string[]): Promise<Prediction> =>
      JSON.parse(
        (await doctor("-c", "70k", "--target", "127.0.0.1:7777", "--role", "client", "--no-measure", "--json", ...args))
          .stdout,
      );
    const ports = (prediction: Prediction) => {
      const row = prediction.limits.find(({ id }) => id === "ip-local-port-range")!;
      return [row.now, row.allows];
    };
    const [range, allows] = ports(await ask());
    expect(allows).toBeLessThanOrEqual(range as number);
    expect(allows).toBeGreaterThan((range as number) - 1000);
    expect(ports(await ask("--for", "fourtuple"))[1]).toBe("unlimited");
    const own = await ask("--source-ip", "127.0.0.2-127.0.0.3");
    expect(ports(own)[1]).toBeGreaterThan(allows as number);
  });

  it("includes a program's memory per connection, and CPU for its messages", async () => {
    const ask = async (...args: string[]): Promise<Prediction> =>
      JSON.parse((await doctor("-c", "10k", "--no-measure", "--json", ...args)).stdout);
    const [thin, fat] = [await ask(), await ask("--memory-per-connection", "1MiB")];
    expect(fat.cost.bytesPerConnection - thin.cost.bytesPerConnection).toBeGreaterThan(2 * 2 ** 20 - 1000);
    expect(fat.answers.fourtuple).toEqual({
      ...thin.answers.fourtuple,
      binding: expect.anything(),
      ceiling: expect.any(Number),
    });
    const busy = await ask("--message-rate", "1000", "--cores", "2");
    expect(busy).toMatchObject({ isTargetMet: false, binding: { id: "cpu" } });
    const { stdout } = await doctor("-c", "10k", "--no-measure", "--message-rate", "1000");
    expect(stdout).toMatch(/^ {2}messages +10,000,000\/s requested; \d+ cores? can handle [\d,]+\/s, /m);
  });

  it("inspects the server at the target", async () => {
    const { stdout } = await doctor("-c", "10", "--target", `${ownAddress()}:1`, "--no-measure", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ ceiling: 0, binding: { id: "listener" } });
  });
});

describe.skipIf(!canMakeNamespaces())("a host that hides its settings", () => {
  it("reports limits as unknown instead of guessing, and the verdict says which", async () => {
    const hide = "mount -t tmpfs none /proc/sys/fs && mount -t tmpfs none /proc/sys/kernel";
    const hidden = start("unshare", [
      ...["-m", "sh", "-c", `${hide} && exec "$0" "$@"`],
      ...[process.execPath, CLI_FILE, "doctor", "-c", "1k", "--no-measure"],
    ]);
    const { code, stdout } = await hidden.exited();
    expect(stdout).toMatch(/^ {2}unreadable +.*epoll-watches.*: the ceiling may be lower$/m);
    expect(stdout).toMatch(/^ {2}fs\.epoll\.max_user_watches +unknown +unknown .*unknown$/m);
    expect(code).toBe(0);
  });
});

describe("a saved result", () => {
  const file = () => {
    const folder = mkdtempSync(join(tmpdir(), "fourtuple-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    return join(folder, "run.json");
  };

  it("is explained exactly as by its own run", async () => {
    const run = await runCli(["connect", `${ownAddress()}:1`, "-c", "20", "-T", "0", "--json"]);
    const path = file();
    writeFileSync(path, run.stdout);
    const { code, stdout } = await doctor("--explain", path, "--json");
    const diagnosis: Diagnosis = JSON.parse(stdout);
    expect(code).toBe(1);
    expect(diagnosis).toEqual(resultOf(run.stdout).diagnosis);
    expect(diagnosis.finding).toMatchObject({ limit: "listener", whose: "peer" });
    // It uses the diagnosis stored in the result instead of computing a new one.
    const foreign = { ...resultOf(run.stdout), diagnosis: { ...diagnosis, notes: ["kept"] } };
    const kept = await runCli(["doctor", "--explain", "-", "--json"], { input: JSON.stringify(foreign) });
    expect(JSON.parse(kept.stdout)).toEqual({ ...diagnosis, notes: ["kept"] });
    const text = await runCli(["doctor", "--explain", "-"], { input: run.stdout });
    expect(text.stdout).toMatch(/^stopped at 0 of 20 connections: nothing listens on that port$/m);
    expect(text.stdout).toMatch(/^ {2}limit +listener, on the peer's side$/m);
    expect(text.stdout).toMatch(/^ {2}fix +start the server/m);
  });

  it("that met its target exits with 0", async () => {
    const { address } = await startServer();
    const run = await runCli(["connect", `${address.ip}:${address.port}`, "-c", "20", "-T", "0", "--json"]);
    const { code, stdout } = await runCli(["doctor", "--explain", "-"], { input: run.stdout });
    expect([code, stdout]).toEqual([0, "nothing stopped it: all 20 connections opened\n"]);
  });
});

describe("invalid usage exits with 2 and suggests what is valid", () => {
  it.each([
    ["a program", ["--for", "nginx"], /Allowed choices are ordinary, fourtuple/],
    ["zero memory per connection", ["--memory-per-connection", "0"], /invalid --memory-per-connection: 0/],
    ["a role", ["--role", "judge"], /Allowed choices are server, client, both/],
    ["a count", ["-c", "0"], /--connections/],
    ["a size", ["--memory", "much"], /--memory "much"/],
    ["zero memory", ["--memory", "0"], /invalid --memory: 0/],
    ["a server's source addresses", ["--role", "server", "--source-ip", "127.0.0.2"], /--source-ip/],
    ["a server's source ports", ["--role", "server", "--source-port", "kernel"], /--source-port/],
    ["a message size without messages", ["--message-size", "100"], /--message-rate/],
    ["a target without a port", ["--target", "127.0.0.1"], /127\.0\.0\.1/],
    ["a missing file", ["--explain", "/nowhere/run.json"], /cannot be read/],
    ["options that do not apply to a result", ["--explain", "run.json", "-c", "5"], /cannot be used with/],
    ["a target together with a result", ["--explain", "run.json", "--target", ":1"], /cannot be used with/],
    ["a file that is not JSON", ["--explain", "package-lock.json.no"], /cannot be read/],
    ["a file that is not a result", ["--explain", "package.json"], /not a run result/],
  ])("%s", async (_, args, said) => {
    const { code, stderr } = await doctor(...args);
    expect(stderr).toMatch(said);
    expect(stderr).toMatch(/^Fatal error: /);
    expect(code).toBe(2);
  });
});
