// Tests an experiment that does not finish: its report, and that it leaves nothing behind.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastResult } from "../../src/client/event-stream.js";
import { type Experiment, type LabContext, type Outcome, PORT, pause } from "../../src/lab/experiment.js";
import { runExperiment } from "../../src/lab/run-experiment.js";
import { openTestbed, type Testbed } from "../../src/lab/testbed/testbed.js";
import type { ConnectResult } from "../../src/results/connect.js";
import { AppError } from "../../src/util/errors.js";
import type { Subprocess } from "../../src/util/subprocess.js";
import { within } from "../support/until.js";

const HOUR_MS = 3_600_000;

const experiment = (run: Experiment["run"]): Experiment => ({
  ...{ id: "E0", title: "a try", claims: ["C0"], claim: "it can be made", quickMs: () => 1000 },
  run,
});
const throwing = (error: unknown) =>
  experiment(async () => {
    throw error;
  });

describe("an experiment", () => {
  let testbed: Testbed;
  const context = (signal = new AbortController().signal): LabContext => ({
    ...{ testbed, signal, isQuick: true, connections: 1, messageRatePerSec: 200, engine: "auto" },
    ...{ requested: undefined, isSelected: false },
    progress: () => undefined,
  });
  beforeAll(async () => {
    testbed = await openTestbed({ loopback: true });
  });
  afterAll(() => testbed.close());

  it.each(["E_PERMISSION", "E_PLATFORM"] as const)("that the host does not allow (%s) is skipped", async (code) => {
    const result = await runExperiment(throwing(new AppError(code, "no wires", { fix: "get some" })), context());
    expect(result).toMatchObject({
      ...{ id: "E0", verdict: "skipped", reason: "no wires; fix: get some" },
      ...{ observed: "-", evidence: [] },
    });
  });

  it("runs its programs with the engine of the lab, and names it in its commands", async () => {
    const used: string[] = [];
    const run = async ({ testbed: { client, server, description } }: LabContext): Promise<Outcome> => {
      const at = `${description.serverIp}:${PORT}`;
      const serving = server.run(["serve", at, "--log", "none"]);
      await serving.prints(/listening on/);
      for (const table of [[], ["--one-table"]]) {
        const { result } = client.run(["connect", at, "-c", "2", "-T", "0s", ...table, "--authorized", "--json"]);
        const { engine } = lastResult((await result).stdout) as ConnectResult;
        used.push(`${engine?.name}, ${engine?.requested}`);
      }
      const commands = [
        `$server fourtuple serve ${at} & listening ${PORT}`,
        "$client fourtuple connect h:1 --one-table",
      ];
      return {
        setup: "-",
        commands,
        prediction: "-",
        observed: "-",
        verdict: "confirmed",
        reason: undefined,
        evidence: [],
      };
    };
    const result = await runExperiment(experiment(run), { ...context(), engine: "epoll" });
    expect(result).toMatchObject({ verdict: "confirmed" });
    expect(used).toEqual(["epoll, epoll", "epoll, auto"]);
    expect(result?.commands).toEqual([
      expect.stringMatching(/^\$server fourtuple serve \S+ --engine epoll & listening/),
      "$client fourtuple connect h:1 --one-table",
    ]);
  });

  it("that is aborted for another reason has failed, which is not a verdict on its claim", async () => {
    const said = "serve stopped early: Fatal error: the port is in use\n  fix: choose another\n";
    const result = await runExperiment(throwing(new AppError("E_SYSTEM", said)), context());
    expect(result).toMatchObject({
      verdict: "failed",
      reason: "serve stopped early: Fatal error: the port is in use; fix: choose another",
    });
  });

  it("that contains a bug has failed, and the bug is reported", async () => {
    const told: unknown[] = [];
    const mistake = new TypeError("x is not a function");
    const result = await runExperiment(throwing(mistake), context(), {
      failed: (error) => told.push(error),
    });
    expect(result).toMatchObject({ verdict: "failed", reason: "unexpected: x is not a function" });
    expect(told).toEqual([mistake]);
  });

  const OUTCOME = { setup: "-", commands: [], prediction: "3.38 s", observed: "0.0 s to 5.1 s", evidence: [] } as const;
  /** Keeps all CPUs busy with other processes while `during` runs. */
  async function besideOthers<T>(during: () => Promise<T>): Promise<T> {
    const others = Array.from({ length: availableParallelism() }, () =>
      // These count as other programs: a child's CPU time is added to its parent's only when the parent has waited for
      // it.
      spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }),
    );
    try {
      return await during();
    } finally {
      // Once it has waited for a child, the parent's CPU time contains the child's. That must not happen during the
      // next measurement.
      const ended = others.map((other) => once(other, "exit"));
      for (const other of others) other.kill("SIGKILL");
      await Promise.all(ended);
    }
  }
  const forSeconds = (seconds: number, outcome: Outcome) =>
    experiment(async (own) => {
      await pause(own, seconds * 1000);
      return outcome;
    });

  it("that is inconclusive gives the reason, and the CPU use of other programs meanwhile", async () => {
    const undecided = forSeconds(0.7, { ...OUTCOME, verdict: "inconclusive", reason: "looked at too seldom" });
    const result = await besideOthers(() => runExperiment(undecided, context()));
    expect(result!.verdict).toBe("inconclusive");
    expect(result!.reason).toMatch(/^looked at too seldom; during the measurement other programs used \d+% of the CPU/);
    expect(result!.hostLoad!.othersShare).toBeGreaterThan(0.1);
  });

  it("that depends on timing refutes nothing on a busy host", async () => {
    const refuting = { ...OUTCOME, verdict: "refuted", reason: "3 messages stayed without an answer" } as const;
    const made = (isTimed: boolean) =>
      besideOthers(() => runExperiment(forSeconds(0.7, { ...refuting, isTimed }), context()));
    expect(await made(true)).toMatchObject({ verdict: "inconclusive" });
    expect(await made(false)).toMatchObject({ verdict: "refuted", reason: refuting.reason });
  });

  it("that has used up its time is aborted, and neither leaves nor starts anything", async () => {
    let own: LabContext | undefined;
    let left: Subprocess | undefined;
    const endless = experiment(async (given) => {
      own = given;
      left = given.testbed.server.run(["serve", `${testbed.description.serverIp}:0`]);
      return await new Promise<never>(() => undefined);
    });
    const result = await within("its end", runExperiment(endless, context(), { budgetMs: 300 }));
    expect(result).toMatchObject({
      verdict: "inconclusive",
      reason: expect.stringMatching(/^not finished within the 300 ms allowed in a quick run/),
    });
    expect(left!.hasEnded).toBe(true);
    expect(() => own!.testbed.server.run(["serve", ":0"])).toThrow(/is closed/);
    // The next experiment gets hosts without the previous one's programs.
    expect(await runExperiment(throwing(new AppError("E_SYSTEM", "no")), context())).toMatchObject({ reason: "no" });
  });

  it("leaves no program running, however it ends", async () => {
    let left: Subprocess | undefined;
    const leaving = experiment(async () => {
      left = testbed.server.run(["serve", `${testbed.description.serverIp}:0`]);
      await left.prints(/listening/);
      throw new AppError("E_SYSTEM", "broken off");
    });
    expect(await runExperiment(leaving, context())).toMatchObject({ verdict: "failed" });
    expect(left!.hasEnded).toBe(true);
  });

  it.each([
    ["waits", (own: LabContext) => pause(own, HOUR_MS)],
    ["does not listen", () => new Promise<never>(() => undefined)],
  ])("that is stopped while it %s ends at once, without a result", async (_, wait) => {
    const stopping = new AbortController();
    const own = context(stopping.signal);
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const waiting = experiment(async () => {
      begin();
      await wait(own);
      throw new Error("it waited to its end");
    });
    const made = runExperiment(waiting, own);
    await begun;
    stopping.abort();
    expect(await within("its end", made)).toBeUndefined();
    expect(await runExperiment(throwing(new Error("it was made")), own)).toBeUndefined();
  });
});
