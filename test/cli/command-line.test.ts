// Tests that a shell splits the command line in a result into the original words.
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { commandLine } from "../../src/cli/command-line.js";
import { startServer } from "../support/peers.js";
import { resultOf, runCli } from "../support/process.js";

it("is split by a shell into the original words", () => {
  const words = ["connect", ":7777", "-m", 'it\'s $HOME; `a` "b"\n*', "", "--stage", "30s:100k"];
  const shell = `fourtuple() { printf '%s\\0' "$@"; }; ${commandLine(words)}`;
  const { stdout } = spawnSync("sh", ["-c", shell], { encoding: "utf8" });
  expect(stdout.split("\0").slice(0, -1)).toEqual(words);
  expect(commandLine(["connect", "[::1]:7777", "-c", "10k"])).toBe("fourtuple connect '[::1]:7777' -c 10k");
});

it.each([
  [["--password", "s3cret", "-c", "2"], "--password '***' -c 2"],
  [["--password=s3cret"], "'--password=***'"],
  [["-H", "Authorization: Bearer s3cret"], "-H 'Authorization: ***'"],
  [["-Hcookie: s3cret", "--header=Proxy-Authorization:s3cret"], "'-Hcookie: ***' '--header=Proxy-Authorization: ***'"],
  [["-H", "X-Trace: 1", "--username", "ann"], "-H 'X-Trace: 1' --username ann"],
])("masks secrets: %j", (words, expected) => {
  expect(commandLine(["connect", ...words])).toBe(`fourtuple connect ${expected}`);
});

it("is included in the output of connect --json", async () => {
  const server = await startServer();
  const to = `${server.address.ip}:${server.address.port}`;
  const { stdout } = await runCli(["connect", to, "-c", "3", "-T", "50ms", "--json"]);
  expect(resultOf(stdout).command).toBe(`fourtuple connect ${to} -c 3 -T 50ms --json`);
  await server.stop();
});
