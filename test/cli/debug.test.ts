// Tests FOURTUPLE_DEBUG: a trace of the named areas on standard error, and none if it is not set.
import { describe, expect, it } from "vitest";
import { startTrace, trace } from "../../src/util/debug/trace.js";
import { startServer } from "../support/peers.js";
import { runCli } from "../support/process.js";

const areasOf = (stderr: string) => [
  ...new Set([...stderr.matchAll(/^\[(\w+) \+\d+\.\d{3} s\] /gm)].map(([, area]) => area)),
];

async function connect(debug: string) {
  const { address } = await startServer();
  const exit = await runCli(["connect", `${address.ip}:${address.port}`, "-c", "20", "-T", "50ms", "--json"], {
    env: { FOURTUPLE_DEBUG: debug },
  });
  expect(exit.code).toBe(0);
  for (const line of exit.stdout.trim().split("\n")) JSON.parse(line);
  return exit.stderr;
}

describe("FOURTUPLE_DEBUG", () => {
  it("traces all areas", async () => {
    const stderr = await connect("all");
    expect(areasOf(stderr)).toEqual(["transport", "plan", "run", "diagnosis"]);
    expect(stderr).toMatch(/\] \d+ 4-tuples for 20 connections$/m);
    expect(stderr).toMatch(/\] hold: 20 established, 0 failed, 20 open$/m);
    expect(stderr).toMatch(/\] closed: 20 established, 0 failed, 0 open$/m);
  });

  it("traces the named areas, and none if unset", async () => {
    expect(areasOf(await connect("plan, run"))).toEqual(["plan", "run"]);
    expect(await connect("")).toBe("");
  });

  it("adds stack traces to errors", async () => {
    const args = ["connect", "127.0.0.1:0"];
    expect((await runCli(args, { env: { FOURTUPLE_DEBUG: "1" } })).stderr).toMatch(/^\s+at /m);
    expect((await runCli(args)).stderr).not.toMatch(/^\s+at /m);
  });
});

describe("a trace", () => {
  it("prints and formats nothing while it is off, or for other areas", () => {
    const lines: string[] = [];
    let asked = 0;
    const say = () => `number ${++asked}`;
    trace("run", say);
    startTrace((line) => lines.push(line), undefined);
    startTrace((line) => lines.push(line), "");
    trace("run", say);
    expect(asked).toBe(0);
    startTrace((line) => lines.push(line), "run");
    trace("plan", say);
    trace("run", say);
    expect(lines).toEqual([expect.stringMatching(/^\[run \+\d+\.\d+ s\] number 1$/)]);
  });
});
