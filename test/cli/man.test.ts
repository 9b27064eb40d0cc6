// Tests the manual page: it names all commands and options, and groff accepts it.
import { expect, it } from "vitest";
import { hasProgram, runCli, start } from "../support/process.js";

it("lists all commands and their options", async () => {
  const { code, stdout } = await runCli(["man"]);
  expect(code).toBe(0);
  const text = stdout.replaceAll("\\-", "-");
  for (const command of ["serve", "connect", "ports", "doctor", "lab", "protocol", "completion"])
    expect(text).toMatch(new RegExp(`^\\.SS "fourtuple ${command}\\b`, "m"));
  const { stdout: help } = await runCli(["ports", "--help"]);
  const options = [...help.matchAll(/^ +(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option!);
  expect(options.length).toBeGreaterThan(10);
  expect(options.filter((option) => option !== "--help" && !text.includes(option))).toEqual([]);
});

it.skipIf(!hasProgram("groff"))("is valid", async () => {
  const { stdout } = await runCli(["man"]);
  const checked = await start("groff", ["-man", "-ww", "-Tutf8", "-z"], { input: stdout }).exited();
  expect(checked).toMatchObject({ code: 0, stdout: "", stderr: "" });
});
