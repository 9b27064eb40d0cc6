// Tests child processes: their output, their exit, and a child that is stopped, missing, or hangs before it starts.
import { describe, expect, it } from "vitest";
import { readProcessFacts } from "../../src/linux/proc/process-facts.js";
import { Subprocess, type SubprocessOptions } from "../../src/util/subprocess.js";
import { until } from "../support/until.js";

const GRACE_MS = 10_000;

function shell(script: string, options?: SubprocessOptions): Subprocess {
  return new Subprocess(["sh", "-c", script], options);
}

function node(script: string, options?: SubprocessOptions): Subprocess {
  return new Subprocess([process.execPath, "-e", script], options);
}

describe("a child process", () => {
  it("that exits reports its exit code and everything it printed, also line by line", async () => {
    const program = shell("printf 'one\\ntw'; printf 'o\\nthree'; echo four >&2; exit 7");
    const lines: string[] = [];
    program.on("line", (line) => lines.push(line));
    expect(await program.result).toEqual({
      code: 7,
      signal: undefined,
      stdout: "one\ntwo\nthree",
      stderr: "four\n",
    });
    expect(lines).toEqual(["one", "two", "three"]);
    expect(program).toMatchObject({ hasEnded: true, reason: "four", fix: undefined });
  });

  it("that prints more than a pipe holds is read to the end", async () => {
    const { stdout } = await shell("head -c 1000000 /dev/zero | tr '\\0' x").result;
    expect(stdout).toHaveLength(1_000_000);
  });

  it("that a signal ends reports the signal", async () => {
    const program = shell("exec sleep 60");
    program.kill();
    expect(await program.result).toMatchObject({ code: undefined, signal: "SIGTERM" });
  });

  it("is awaited until it prints a pattern, even within a line", async () => {
    const program = shell("printf 'listening on 127.0.0.1:7777 '; exec sleep 60");
    const [, port] = await program.prints(/:(\d+) /);
    expect(port).toBe("7777");
    expect(program.hasEnded).toBe(false);
    program.kill("SIGKILL");
    await program.result;
  });

  it.each([
    [3, "E_PERMISSION"],
    [1, "E_SYSTEM"],
  ])("that exits with %d instead of printing is an error %s", async (code, expected) => {
    const program = shell(`echo no >&2; exit ${code}`, { name: "it" });
    await expect(program.prints(/listening/)).rejects.toMatchObject({
      code: expected,
      message: "it stopped early: no",
    });
  });

  it("whose program is missing is reported as what this host lacks", async () => {
    const program = new Subprocess(["no-such-program"]);
    expect(program.pid).toBeUndefined();
    await expect(program.prints(/./)).rejects.toMatchObject({
      code: "E_PLATFORM",
      message: "no-such-program is not installed",
    });
    expect(program.hasEnded).toBe(true);
  });

  it("is found in the user's PATH, not in packages near the current directory", async () => {
    const program = shell('printf "%s" "$PATH"');
    expect((await program.result).stdout).toBe(process.env.PATH);
  });

  it("that is stopped (SIGSTOP) is continued, and exits cleanly", async () => {
    const program = node(
      "process.on('SIGTERM', () => process.exit(5)); console.log('ready'); setInterval(() => {}, 1e6)",
    );
    await program.prints(/ready/);
    program.kill("SIGSTOP");
    await until("it to stand still", () => readProcessFacts(program.pid!)?.isStopped);
    await program.stop(GRACE_MS);
    expect(await program.result).toMatchObject({ code: 5, signal: undefined });
  });

  it("that does not exit on request is killed", async () => {
    const program = node("process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1e6)");
    await program.prints(/ready/);
    await program.stop(50);
    expect(await program.result).toMatchObject({ signal: "SIGKILL" });
  });

  it("detects through standard input that this process has ended, if it must stop with it", async () => {
    const program = node(
      "console.log(process.env.FOURTUPLE_PARENT_PIPE); process.stdin.resume().on('end', () => process.exit(3))",
      {
        stopsWithUs: true,
      },
    );
    await program.prints(/stdin/);
    // The kernel closes the pipe the same way when this process dies.
    program.child.stdin!.destroy();
    expect(await program.result).toMatchObject({ code: 3 });
  });

  it("receives what is written to its standard input, if it has one", async () => {
    const program = new Subprocess(["cat"], { stdin: "pipe" });
    program.child.stdin!.end("to be read");
    expect((await program.result).stdout).toBe("to be read");
    expect((await new Subprocess(["cat"]).result).stdout).toBe("");
  });
});

describe("a process that has exited", () => {
  it("has a result even if another process holds its output open", async () => {
    const program = shell("sleep 60 & echo $!; exit 3");
    const { code, stdout } = await program.result;
    process.kill(Number(stdout), "SIGKILL");
    expect(code).toBe(3);
  });
});

describe("a process with a start limit", () => {
  it("is killed if it has printed nothing by then, and the limit is named with a fix", async () => {
    // Imitates Node when it cannot create a thread: it hangs before running a line of its program.
    const program = shell("exec sleep 60", { name: "it", startLimitMs: 100 });
    await expect(program.prints(/listening/)).rejects.toMatchObject({
      code: "E_SYSTEM",
      message: "it stopped early: it did not start within 0.1 s",
      fix: expect.stringContaining("ulimit -u"),
    });
    expect(await program.result).toMatchObject({ signal: "SIGKILL" });
  });

  it("keeps running if it has printed something, even on standard error", async () => {
    // The first output comes long before the start limit, and the exit after it.
    const programs = ["echo up", "echo up >&2"].map((speak) =>
      shell(`${speak}; sleep 1.2; exit 4`, { startLimitMs: 1000 }),
    );
    for (const program of programs) expect(await program.result).toMatchObject({ code: 4 });
  });
});

describe("this process", () => {
  it("learns why a program cannot be started if no descriptor is left", async () => {
    const limited = node(
      `import(${JSON.stringify(new URL("../../dist/util/subprocess.js", import.meta.url))}).then(async ({ Subprocess }) => {
        const { openSync, closeSync } = require("node:fs");
        const taken = [];
        try { for (;;) taken.push(openSync("/dev/null")); } catch {}
        const program = new Subprocess(["true"]);
        const failure = await program.result.catch((error) => error);
        for (const fd of taken) closeSync(fd);
        console.log(JSON.stringify({ code: failure.code, message: failure.message, fix: failure.fix }));
      })`,
    );
    const { stdout } = await limited.result;
    expect(JSON.parse(stdout)).toMatchObject({
      code: "E_SYSTEM",
      message: expect.stringContaining("the open-file limit is too low"),
    });
  });
});
