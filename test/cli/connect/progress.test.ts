// Tests the progress of a load: a panel on a terminal, lines in a pipe, nothing with --quiet.
import { describe, expect, it } from "vitest";
import { startServer } from "../../support/peers.js";
import { runCli } from "../../support/process.js";
import { hasTerminal, linesOf, startInTerminal } from "../../support/terminal.js";
import { until } from "../../support/until.js";

async function loadOf(...options: string[]) {
  const { ip, port } = (await startServer()).address;
  return ["connect", `${ip}:${port}`, "-c", "1000", "--connect-rate", "500", "-T", "0", ...options];
}

describe.skipIf(!hasTerminal())("on a terminal", () => {
  it("the panel shows the share, rates, latencies and the limit ahead", async () => {
    const args = await loadOf("-T", "forever");
    const run = startInTerminal(100, args);
    const shown = await until(
      "the whole panel",
      () => linesOf(run.stdout).join("\n"),
      (text) => /100% {2}1,000 of 1,000 open/.test(text) && /next limit: /.test(text),
    );
    expect(shown).toMatch(/[▁-█]{2,} {3}rate [\d,]+\/s/);
    expect(shown).toMatch(/p99 {3}connect [\d.]+ .?s/);
    run.child.kill("SIGINT");
    await run.exited();
  });
});

it("in a pipe there are plain lines", async () => {
  const { stderr, stdout } = await runCli(await loadOf());
  expect(stderr).toMatch(/^\d+ s {3}(opening|holding) {3}open [\d,]+ of 1,000/m);
  expect(`${stderr}${stdout}`).not.toMatch(/[█░]/);
});

it("with --quiet there is only the result", async () => {
  const { stderr, stdout } = await runCli(await loadOf("--connect-rate", "100k", "--quiet"));
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^target met: 1,000 connections/);
});
