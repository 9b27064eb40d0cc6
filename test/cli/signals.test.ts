// Tests signals: the first ends the command in order, with a result; a second one from the same keystroke does not cut
// that short; SIGUSR1 is ignored.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { establishedInSs } from "../support/kernel.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { resultOf, startCli, type TestProcess } from "../support/process.js";
import { until } from "../support/until.js";

const EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Stop = keyof typeof EXIT;
const STOPS = Object.keys(EXIT) as Stop[];

async function startServe(): Promise<string> {
  const server = startCli(["serve", `${ownAddress()}:0`, "--log", "none"]);
  return (await server.prints(/listening on (\S+)/))[1]!;
}

async function holding(...args: string[]): Promise<TestProcess> {
  const client = startCli(["connect", await startServe(), "-c", "300", ...args]);
  await until("the hold", () => /holding .*open 300 of 300/.test(client.stderr));
  return client;
}

/**
 * Sends the signal twice, as `timeout -s INT` does for the child and then for its process group. Waits until the first
 * is taken, as the kernel would otherwise merge the two.
 */
function twice(process: TestProcess, signal: Stop): void {
  process.child.kill(signal);
  const sentMs = performance.now();
  while (isPending(process, signal) && performance.now() - sentMs < 200);
  process.child.kill(signal);
}

/** Returns whether the signal is still pending for the process. */
function isPending(process: TestProcess, signal: Stop): boolean {
  const [, pending] = /^ShdPnd:\s*(\w+)/m.exec(statusOf(process)) ?? [];
  return (Number.parseInt(pending!, 16) & (1 << (constants.signals[signal] - 1))) !== 0;
}

/** Number of threads of a Node process without workers: the main thread, libuv's pool and V8's threads. */
const NODE_THREADS = 11;

function threadsOf({ pid }: TestProcess): number {
  return Number(/^Threads:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

const statusOf = ({ pid }: TestProcess) => readFileSync(`/proc/${pid}/status`, "utf8");

/** Returns whether a process listens on that port of 127.0.0.1, as Node's debugger would. */
function listensOn(port: number, pid: number): boolean {
  const { stdout } = spawnSync("ss", ["-Hltnp", `sport = :${port}`], { encoding: "utf8" });
  return stdout.includes(`pid=${pid},`);
}

describe.each(STOPS)("%s", (signal) => {
  it("twice within milliseconds ends a run cleanly, with its result", async () => {
    for (let round = 0; round < 3; round++) {
      const client = await holding("-T", "1m");
      twice(client, signal);
      const { code, stdout } = await client.exited();
      expect(stdout).toMatch(/^interrupted: 300 of 300 connections/);
      expect(code).toBe(EXIT[signal]);
    }
  });

  it("twice is a server's normal end", async () => {
    const server = startCli(["serve", `${ownAddress()}:0`]);
    await server.prints(/listening on/);
    twice(server, signal);
    expect(await server.exited()).toMatchObject({ code: 0, stdout: expect.stringMatching(/stopped after/) });
  });

  it("during a ramp prints how far it got", async () => {
    const at = await startServe();
    const client = startCli(["connect", at, "-c", "1k", "--connect-rate", "100", "--json"]);
    const [ip, port] = at.split(":") as [string, string];
    await until(
      "some open",
      () => establishedInSs(Number(port), ip),
      (count) => count > 5,
    );
    client.child.kill(signal);
    const { code, stdout } = await client.exited();
    expect(resultOf(stdout)).toMatchObject({ kind: "connect", outcome: "interrupted", requested: 1000 });
    expect(code).toBe(EXIT[signal]);
  });

  it("to a single connection prints how long it was held", async () => {
    const client = startCli(["connect", await startServe()]);
    await client.prints(/receive hello/);
    client.child.kill(signal);
    const { code, stderr } = await client.exited();
    expect([code, stderr]).toEqual([EXIT[signal], expect.stringMatching(/^interrupted: held for /)]);
  });

  it("to ports --watch ends it", async () => {
    const watching = startCli(["ports", "--watch"]);
    await watching.prints(/TCP socket/);
    watching.child.kill(signal);
    expect((await watching.exited()).code).toBe(EXIT[signal]);
  });

  it("while the doctor measures, it answers with built-in figures", async () => {
    const doctor = startCli(["doctor", "-c", "1k"]);
    await until(
      "the measuring",
      () => threadsOf(doctor),
      (count) => count > NODE_THREADS,
    );
    doctor.child.kill(signal);
    const { code, stdout } = await doctor.exited();
    expect(stdout).toMatch(/^this host can hold /);
    expect(code).toBe(EXIT[signal]);
  });

  it.skipIf(!canMakeNamespaces())("to the demo prints how many were open", async () => {
    enterNamespace();
    const demo = startCli(["demo", "-c", "20k"]);
    await demo.prints(/server: process/);
    twice(demo, signal);
    const { code, stdout } = await demo.exited();
    expect(stdout).toMatch(/interrupted: [\d,]+ of 20,000 connections open/);
    expect(code).toBe(EXIT[signal]);
  });
});

describe("SIGUSR1", () => {
  it("during start-up leaves no debugger open", async () => {
    const running = startCli(["serve", `${ownAddress()}:0`]);
    // Before Node installs its handler, the default action would end the process.
    const caught = () => BigInt(`0x${/^SigCgt:\s*(\w+)/m.exec(statusOf(running))?.[1] ?? "0"}`) & (1n << 9n);
    await until("a handler", caught, (bit) => bit !== 0n);
    running.child.kill("SIGUSR1");
    await running.prints(/listening on/);
    await until(
      "no debugger",
      () => listensOn(9229, running.pid),
      (is) => !is,
    );
    running.child.kill("SIGTERM");
    expect((await running.exited()).code).toBe(0);
  });

  it.each([
    ["serve", () => ["serve", `${ownAddress()}:0`], /listening on/],
    ["ports --watch", () => ["ports", "--watch"], /TCP socket/],
  ] as const)("opens no debugger in %s, and ends nothing", async (_, args, ready) => {
    const running = startCli(args());
    await running.prints(ready);
    for (let i = 0; i < 3; i++) running.child.kill("SIGUSR1");
    const caught = () =>
      BigInt(`0x${/^SigPnd:\s*(\w+)/m.exec(readFileSync(`/proc/${running.pid}/status`, "utf8"))![1]}`);
    await until("the signal taken", caught, (pending) => pending === 0n);
    expect(readFileSync(`/proc/${running.pid}/comm`, "utf8").trim()).not.toBe("");
    expect(running.stderr).not.toMatch(/Debugger listening/);
    expect(running.isRunning).toBe(true);
    running.child.kill("SIGTERM");
    const { stderr } = await running.exited();
    expect(stderr).not.toMatch(/Debugger|inspector/);
  });
});
