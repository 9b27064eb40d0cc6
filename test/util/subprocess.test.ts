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

describe("a program", () => {
  it("that ends tells its exit code and all that it printed, line by line too", async () => {
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

  it("that a signal ends tells which", async () => {
    const program = shell("exec sleep 60");
    program.kill();
    expect(await program.result).toMatchObject({ code: undefined, signal: "SIGTERM" });
  });

  it("is awaited until it prints what is looked for, in the middle of a line too", async () => {
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
  ])("that ends with %d instead of printing is an error %s", async (code, expected) => {
    const program = shell(`echo no >&2; exit ${code}`, { name: "it" });
    await expect(program.prints(/listening/)).rejects.toMatchObject({ code: expected, message: "it ended early: no" });
  });

  it("that there is not is what this host lacks", async () => {
    const program = new Subprocess(["no-such-program"]);
    expect(program.pid).toBeUndefined();
    await expect(program.prints(/./)).rejects.toMatchObject({
      code: "E_PLATFORM",
      message: "no-such-program is not installed",
    });
    expect(program.hasEnded).toBe(true);
  });

  it("is found where the user's PATH says, not in packages beside the current directory", async () => {
    const program = shell('printf "%s" "$PATH"');
    expect((await program.result).stdout).toBe(process.env.PATH);
  });

  it("that is stopped (SIGSTOP) goes on, and ends in order", async () => {
    const program = node(
      "process.on('SIGTERM', () => process.exit(5)); console.log('ready'); setInterval(() => {}, 1e6)",
    );
    await program.prints(/ready/);
    program.kill("SIGSTOP");
    await until("it to stand still", () => readProcessFacts(program.pid!)?.isStopped);
    await program.stop(GRACE_MS);
    expect(await program.result).toMatchObject({ code: 5, signal: undefined });
  });

  it("that does not end when it is asked to is killed", async () => {
    const program = node("process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1e6)");
    await program.prints(/ready/);
    await program.stop(50);
    expect(await program.result).toMatchObject({ signal: "SIGKILL" });
  });

  it("sees by its standard input that this process has ended, where it stops with it", async () => {
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

  it("takes what is written to its standard input, where it has one", async () => {
    const program = new Subprocess(["cat"], { stdin: "pipe" });
    program.child.stdin!.end("to be read");
    expect((await program.result).stdout).toBe("to be read");
    expect((await new Subprocess(["cat"]).result).stdout).toBe("");
  });
});

describe("a program that has ended", () => {
  it("has a result although another process holds its output open", async () => {
    const program = shell("sleep 60 & echo $!; exit 3");
    const { code, stdout } = await program.result;
    process.kill(Number(stdout), "SIGKILL");
    expect(code).toBe(3);
  });
});

describe("a program with a limit of its start", () => {
  it("is killed when it has said nothing by then, and the limit is named with what helps", async () => {
    // Imitates Node when it cannot create a thread: it hangs before it runs any line of its program.
    const program = shell("exec sleep 60", { name: "it", startLimitMs: 100 });
    await expect(program.prints(/listening/)).rejects.toMatchObject({
      code: "E_SYSTEM",
      message: "it ended early: it did not start within 0.1 s",
      fix: expect.stringContaining("ulimit -u"),
    });
    expect(await program.result).toMatchObject({ signal: "SIGKILL" });
  });

  it("lives on when it has said something, on standard error too", async () => {
    // The first output comes long before the start limit, the exit after it.
    const programs = ["echo up", "echo up >&2"].map((speak) =>
      shell(`${speak}; sleep 1.2; exit 4`, { startLimitMs: 1000 }),
    );
    for (const program of programs) expect(await program.result).toMatchObject({ code: 4 });
  });
});

describe("this process", () => {
  it("hears why a program cannot be started when it has no descriptor left", async () => {
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
