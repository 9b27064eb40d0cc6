// Tests that a hopeless ramp ends, after a few thousand failures or after a timeout without an answer.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { GiveUp, type RampCounts } from "../../../src/client/ramp/give-up.js";
import { explainRun } from "../../../src/diagnosis/explain.js";
import type { ConnectResult, Diagnosis } from "../../../src/index.js";
import { ownAddress } from "../../support/address.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { startClient } from "../../support/peers.js";
import { hasProgram, resultOf, runCli } from "../../support/process.js";
import { within } from "../../support/until.js";

const NOTHING: RampCounts = { ready: 0, failed: 0, timedOut: 0 };
const TIMED_OUT: RampCounts = { ready: 0, failed: 100, timedOut: 100 };

/**
 * Checks every 50 ms from `fromMs` until `toMs`.
 * @returns the first reason and its time
 */
function lookFor(giveUp: GiveUp, counts: RampCounts, fromMs: number, toMs: number): [string, number] | undefined {
  for (let ms = fromMs; ms <= toMs; ms += 50) {
    const reason = giveUp.check(ms, counts);
    if (reason) return [reason, ms];
  }
  return undefined;
}

describe("a hopeless ramp", () => {
  const settings = { connectTimeoutMs: 1000, concurrency: 1024 };

  it("is abandoned after 2,000 failures without a success, and not one fewer", () => {
    const giveUp = new GiveUp(settings);
    expect(giveUp.check(0, { ready: 0, failed: 1999, timedOut: 0 })).toBeUndefined();
    expect(giveUp.check(0, { ready: 0, failed: 2000, timedOut: 0 })).toBe("all-failed");
    expect(giveUp.check(0, { ready: 1, failed: 1e6, timedOut: 0 })).toBeUndefined();
  });

  it("is abandoned after a timeout without an answer, or two after an answer", () => {
    const fresh = new GiveUp(settings);
    expect(lookFor(fresh, NOTHING, 0, 950)).toBeUndefined();
    expect(lookFor(fresh, TIMED_OUT, 1000, 3000)).toEqual(["unanswered", 1000]);
    const later = new GiveUp(settings);
    expect(lookFor(later, { ...TIMED_OUT, ready: 5 }, 0, 900)).toBeUndefined();
    expect(lookFor(later, { ready: 6, failed: 200, timedOut: 200 }, 950, 2900)).toBeUndefined();
    expect(lookFor(later, { ready: 6, failed: 300, timedOut: 300 }, 2950, 4000)).toEqual(["unanswered", 2950]);
  });

  it("is not abandoned after a few lost packets, a refusal, or time in which this process was suspended", () => {
    expect(lookFor(new GiveUp(settings), { ...TIMED_OUT, failed: 63, timedOut: 63 }, 0, 9000)).toBeUndefined();
    const stopped = new GiveUp(settings);
    stopped.check(0, TIMED_OUT);
    expect(stopped.check(60_000, TIMED_OUT)).toBeUndefined();
    const refused = new GiveUp(settings);
    for (let ms = 0; ms < 9000; ms += 50) {
      expect(refused.check(ms, { ready: 0, failed: 100 + ms / 50, timedOut: 100 })).toBeUndefined();
    }
  });
});

describe("a ramp of a million", () => {
  it("that is refused everywhere ends after a few thousand attempts", async () => {
    const run = await startClient({ to: `${ownAddress()}:9`, connections: 1_000_000, durationMs: 60_000 });
    const result = await within("the end", run.done);
    expect(result).toMatchObject({ outcome: "missed", established: 0, gaveUp: { reason: "all-failed" } });
    expect(result.failed).toBeGreaterThanOrEqual(2000);
    expect(result.failed).toBeLessThan(100_000);
    expect(result.gaveUp!.untried).toBe(1_000_000 - result.failed);
    const { finding, notes } = explainRun(result);
    expect(finding).toMatchObject({ limit: "listener" });
    expect(notes.join()).toMatch(/abandoned: the first [\d,]+ attempts all failed; [\d,]+ were not attempted/);
  });

  it.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("into a black hole ends after one timeout", async () => {
    enterNamespace();
    execFileSync("nft", ["table inet f { chain i { type filter hook input priority 0; tcp dport 8000 drop; }; }"]);
    const { stdout } = await runCli([
      ...["connect", "127.0.0.1:8000", "-c", "1m", "--connect-timeout", "1s", "-T", "1m", "--json"],
    ]);
    const { outcome, gaveUp, rampMs, diagnosis }: ConnectResult & { diagnosis: Diagnosis } = resultOf(stdout);
    expect(outcome).toBe("missed");
    expect(gaveUp!.reason).toBe("unanswered");
    // A thousand timeouts in sequence would take far longer; the margin is for a busy machine.
    expect(rampMs).toBeLessThan(10_000);
    expect(diagnosis.notes.join()).toMatch(
      /no handshake was answered for a full connect timeout; [\d,]+ were not attempted/,
    );
  });
});
