// Tests the manual page: it names all commands and options, and groff accepts it.
import { expect, it } from "vitest";
import { hasProgram, runCli, start } from "../support/process.js";

it("lists all commands and their options", async () => {
  const { code, stdout } = await runCli(["man"]);
  expect(code).toBe(0);
  const text = stdout.replaceAll("\\-", "-");
  for (const command of ["serve", "connect", "ports", "doctor", "lab", "protocol", "completion"])
    expect(text).toMatch(new RegExp(`^\\.SS "fourtuple ${command}\\b`, "m"));
  const options = await optionsOf("ports", "--help");
  expect(options.length).toBeGreaterThan(10);
  expect(options.filter((option) => !text.includes(option))).toEqual([]);
});

it.each(["connect", "serve"])("lists the options of all help topics of %s, and so does completion", async (command) => {
  const { stdout: help } = await runCli([command, "--help"]);
  const topics = [...help.matchAll(/--help (\w+)/g)].map(([, topic]) => topic!);
  expect(topics).toEqual(expect.arrayContaining(["tls", "packet", "fleet"]));
  const options = await Promise.all(topics.map((topic) => optionsOf(command, "--help", topic)));
  const { stdout: page } = await runCli(["man"]);
  const { stdout: completion } = await runCli(["completion", "bash"]);
  const section = page.replaceAll("\\-", "-").split(`.SS "fourtuple ${command}`)[1]!.split(".SS")[0]!;
  const completed = new RegExp(`^ +${command},-\\*\\) words='(.*)'`, "m").exec(completion)![1]!.split(" ");
  expect(options.flat().filter((option) => !section.includes(option) || !completed.includes(option))).toEqual([]);
});

/** Returns the long options that a help text lists. */
async function optionsOf(...args: string[]): Promise<string[]> {
  const { stdout } = await runCli(args);
  const options = [...stdout.matchAll(/^ +(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option!);
  return options.filter((option) => option !== "--help");
}

it.skipIf(!hasProgram("groff"))("is valid", async () => {
  const { stdout } = await runCli(["man"]);
  const checked = await start("groff", ["-man", "-ww", "-Tutf8", "-z"], { input: stdout }).exited();
  expect(checked).toMatchObject({ code: 0, stdout: "", stderr: "" });
});
