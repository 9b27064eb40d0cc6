// Tests output into a pipe that nobody reads: the buffered output is bounded, and omitted output is counted.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { ownAddress } from "../support/address.js";
import { startClient } from "../support/peers.js";
import { CLI_FILE, startProgram } from "../support/process.js";
import { until, within } from "../support/until.js";

const MIB = 1024 ** 2;

/** Starts the command line and reads its standard output up to `pattern`, then pauses until readOn() is called. */
async function startUnread(args: readonly string[], pattern: RegExp) {
  const child = spawn(process.execPath, [CLI_FILE, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const texts = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    texts.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    texts.stderr += text;
  });
  const [found] = await until(
    "its first line",
    () => [pattern.exec(texts.stdout)],
    ([seen]) => seen !== null,
  );
  child.stdout.pause();
  const readOn = async () => {
    child.kill("SIGINT");
    const ended = once(child, "close");
    child.stdout.resume();
    await within("its end", ended);
    return texts;
  };
  return { pid: child.pid!, found: found!, readOn };
}

const residentBytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;

it("serve --log all reports how many clients it did not print, and prints the result", async () => {
  const args = ["serve", `${ownAddress()}:0`, "--log", "all", "--json"];
  const { found, readOn } = await startUnread(args, /"ip":"([^"]+)","port":(\d+)/);
  const to = `${found[1]}:${found[2]}`;
  const run = await startClient({ to, connections: 30_000, closeAfterGreeting: true });
  expect(await within("all greeted", run.done)).toMatchObject({ greeted: 30_000 });
  const { stdout } = await readOn();
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const printed = events.filter(({ event }) => event === "connection").length;
  expect(stdout.length).toBeLessThan(1.5 * MIB);
  expect(events.at(-2)).toEqual({ event: "notPrinted", connections: 30_000 - printed });
  expect(events.at(-1)).toMatchObject({ event: "result", accepted: 30_000 });
}, 60_000);

it("connect prints no more of a flood than its reader takes, and reports how much it omitted", async () => {
  const ip = ownAddress();
  const flood = startProgram("flood", { role: "server", ip });
  const to = `${ip}:${(await flood.prints(/listening (\d+)/))[1]}`;
  const { pid, readOn } = await startUnread(["connect", to], /receive y/);
  const before = residentBytes(pid);
  const start = performance.now();
  await until("a second of flood", () => performance.now() - start > 1000);
  expect(residentBytes(pid) - before).toBeLessThan(60 * MIB);
  const { stderr } = await readOn();
  expect(stderr).toMatch(/note: [\d.]+ MiB of the received data was not printed/);
});
