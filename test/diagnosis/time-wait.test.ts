// Tests TIME_WAIT as the limit: predicted as a rate, named after a run, and distinguished from ports in use by other
// programs.
import { execFileSync } from "node:child_process";
import { beforeEach, describe, expect, it } from "vitest";
import { connectRateOf } from "../../src/capacity/limits/time-wait.js";
import type { Load } from "../../src/capacity/load.js";
import type { ConnectResult, Diagnosis, Prediction } from "../../src/index.js";
import { parseIp } from "../../src/util/address.js";
import { clientLoad, hostFacts } from "../support/doctor.js";
import { socketsInSs } from "../support/kernel.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { resultOf, runCli, startCli } from "../support/process.js";
import { until } from "../support/until.js";

const set = (setting: string) => execFileSync("sysctl", ["-qw", setting]);
const plan = (from: string, to: string, ports: NonNullable<Load["plan"]>["ports"]): Load["plan"] => ({
  groups: [{ sources: [{ first: parseIp(from), count: 2 }], destinations: [{ ip: parseIp(to), port: 80 }] }],
  ports,
});
const kernel = { chosenBy: "kernel", available: 600 } as const;
const explicit = (first: number, last: number) => ({ chosenBy: "us", range: { first, last }, startAt: first }) as const;

describe("the sustainable rate", () => {
  const away = plan("10.0.0.1", "10.0.0.9", kernel);
  const here = plan("127.0.0.2", "127.0.0.1", kernel);
  it.each([
    ["default settings", {}, away, 20, 60],
    ["tcp_tw_reuse = 1", { timeWaitReuse: 1 }, away, 1200, 1],
    ["another tcp_tw_reuse_delay", { timeWaitReuse: 1, timeWaitReuseDelayMs: 6000 }, away, 200, 6],
    ["a kernel without tcp_tw_reuse_delay", { timeWaitReuse: 1, timeWaitReuseDelayMs: undefined }, away, 1200, 1],
    ["tcp_tw_reuse = 2 over loopback", {}, here, 1200, 1],
    ["tcp_tw_reuse = 0 over loopback", { timeWaitReuse: 0 }, here, 20, 60],
    ["timestamps off", { timeWaitReuse: 1, timestamps: 0 }, here, 20, 60],
    ["explicit ports in the kernel's range", {}, plan("10.0.0.1", "10.0.0.9", explicit(40_000, 40_299)), 10, 60],
    ["ports bound by number", {}, plan("10.0.0.1", "10.0.0.9", explicit(2000, 2099)), "unlimited", 0],
    [
      "ports bound by number, and timestamps off",
      { timestamps: 0 },
      plan("10.0.0.1", "10.0.0.9", explicit(2000, 2299)),
      10,
      60,
    ],
  ])("with %s", (_, facts, plan, perSec, kept) => {
    const rate = connectRateOf(hostFacts(facts), clientLoad({ plan }));
    expect(rate).toMatchObject({ sustainedPerSec: perSec, keptSeconds: kept });
  });

  it("is reduced by connections that others hold, not by current TIME_WAITs, which only reduce a burst", () => {
    const load = (connectRatePerSec: number, portsInUse: number, tuples: number) =>
      connectRateOf(
        hostFacts(),
        clientLoad({ plan: away, connectRatePerSec, portsInUse, timeWaits: { tuples, lastMs: 1 } }),
      );
    expect(load(100, 0, 0)).toMatchObject({ sustainedPerSec: 20, lastsSeconds: 12 });
    expect(load(100, 600, 600)).toMatchObject({ sustainedPerSec: 20, lastsSeconds: 6 });
    expect(load(100, 600, 0)).toMatchObject({ sustainedPerSec: 10, lastsSeconds: 6 });
    expect(load(20, 0, 0)).toMatchObject({ lastsSeconds: undefined });
    expect(load(1, 1200, 0)).toMatchObject({ sustainedPerSec: 0, lastsSeconds: 0 });
    expect(connectRateOf(hostFacts(), clientLoad({ plan: undefined }))).toBeUndefined();
  });
});

describe.skipIf(!canMakeNamespaces())("TIME_WAIT", () => {
  beforeEach(() => {
    enterNamespace();
    set("net.ipv4.ip_local_port_range=40000 40049");
    set("net.ipv4.tcp_tw_reuse=0");
    // On a busy host, the server's ACK of a FIN may be sent after its own FIN. The client's TIME_WAIT socket answers
    // it, the server's socket is gone, and the resulting RST ends the TIME_WAIT (RFC 1337) unless the kernel ignores
    // it.
    set("net.ipv4.tcp_rfc1337=1");
  });
  const serve = (...options: string[]) =>
    startCli(["serve", "127.0.0.1:7777", "--log", "none", ...options]).prints(/listening on/);
  const timeWaits = (count: number): Promise<unknown> =>
    until(
      `${count} in TIME_WAIT`,
      () => socketsInSs("dport = :7777", "time-wait"),
      ({ length }) => length === count,
    );
  const run = async (...args: string[]): Promise<ConnectResult & { diagnosis: Diagnosis }> =>
    resultOf((await runCli(["connect", ":7777", "--json", "-T", "0", "--source-ip", "127.0.0.2", ...args])).stdout);
  const doctor = async (...args: string[]): Promise<Prediction> => {
    const load = ["--target", ":7777", "--role", "client", "--no-measure", "--json", "--source-ip", "127.0.0.2"];
    return JSON.parse((await runCli(["doctor", ...load, ...args])).stdout);
  };

  it("of short-lived connections is named, with the remedies in order", async () => {
    await serve();
    const churn = ["--close-after-greeting", "--close", "fin", "--source-port", "kernel", "-c", "100"];
    const { established, diagnosis, evidence } = await run(...churn, "--connect-timeout", "2s");
    expect(established).toBe(50);
    expect(evidence.shortage).toMatchObject({ badSourceCount: 0, unreachable: [] });
    // The server's FIN may be outstanding for some.
    expect(evidence.shortage!.timeWaits + evidence.shortage!.closing).toBe(50);
    expect(evidence.shortage!.timeWaitLastMs).toBeGreaterThan(50_000);
    const { limit, whose, meaning, fix, evidence: facts } = diagnosis.finding!;
    expect([limit, whose]).toEqual(["time-wait", "local"]);
    expect(meaning).toMatch(/in TIME_WAIT/);
    expect(fix).toMatch(/keep-alive.*tcp_tw_reuse=1.*source addresses/);
    expect(facts.join("\n")).toMatch(/\d+ of 50 4-tuples in TIME_WAIT: the first ends in .+, the last in /);
    expect(facts.join("\n")).toMatch(/50 ÷ 60 s = 0\.8 connections\/s sustained/);
  });

  it("left by an earlier run is not taken for other programs' ports", async () => {
    await serve("--mode", "discard");
    const ports = ["--source-port", "40000-40049", "-c", "50"];
    expect((await run(...ports, "--close", "fin")).established).toBe(50);
    await timeWaits(50);
    const { ceiling, binding } = await doctor(...ports);
    expect([ceiling, binding?.id]).toEqual([0, "source-ports"]);
    expect(binding?.nowText).toMatch(/^1 × 50; 50 in TIME_WAIT, the last for ([1-5]\d\.\d s|1m 00s)$/);
    const { established, plan, diagnosis } = await run(...ports);
    expect([established, plan.tuplesSkipped]).toEqual([0, 50]);
    expect(diagnosis.finding).toMatchObject({
      limit: "time-wait",
      fix: expect.stringMatching(/^wait ([1-5]\d\.\d s|1m 00s), or/),
    });
    expect(diagnosis.finding!.evidence.join()).not.toMatch(/by others|other sockets/);
  });

  it("is only mentioned if the ports would not suffice without it either", async () => {
    await serve("--mode", "discard");
    const ports = ["--source-port", "40000-40049"];
    expect((await run(...ports, "-c", "20", "--close", "fin")).established).toBe(20);
    await timeWaits(20);
    const { established, diagnosis } = await run(...ports, "-c", "100");
    expect([established, diagnosis.finding!.limit]).toEqual([30, "source-ports"]);
    expect(diagnosis.finding!.evidence.join("\n")).toContain("20 in TIME_WAIT, for up to");
  });

  it("holds its port for tcp_tw_reuse_delay", async (context) => {
    try {
      set("net.ipv4.tcp_tw_reuse_delay=60000");
    } catch {
      context.skip("skipped: this kernel has no tcp_tw_reuse_delay");
    }
    set("net.ipv4.tcp_tw_reuse=2");
    await serve("--mode", "discard");
    const chosen = ["--source-port", "kernel", "-c", "50"];
    expect((await run(...chosen, "--close", "fin")).established).toBe(50);
    await timeWaits(50);
    const { ceiling, notes, rate } = await doctor(...chosen, "--connect-rate", "10");
    expect([ceiling, notes, rate?.keptSeconds]).toEqual([0, [], 60]);
    expect((await run(...chosen)).diagnosis.finding).toMatchObject({
      limit: "time-wait",
      fix: expect.stringMatching(/a shorter net\.ipv4\.tcp_tw_reuse_delay/),
    });
    set("net.ipv4.tcp_tw_reuse_delay=1000");
    expect((await doctor(...chosen)).ceiling).toBe(50);
  });

  it("is predicted as a rate, with how long a higher one lasts", async () => {
    await serve();
    const args = ["--source-port", "kernel", "-c", "10"];
    const { rate, limits } = await doctor(...args, "--connect-rate", "10");
    expect(rate).toMatchObject({ requestedPerSec: 10, tuples: 50, keptSeconds: 60, lastsSeconds: 5 });
    expect(rate!.sustainedPerSec).toBeCloseTo(50 / 60, 5);
    expect(limits.find(({ id }) => id === "time-wait")).toMatchObject({ verdict: "low", needs: 10 });
    const text = await runCli([
      "doctor",
      "--target",
      ":7777",
      "--source-ip",
      "127.0.0.2",
      "--no-measure",
      ...args,
      "--connect-rate",
      "10",
    ]);
    expect(text.stdout).toMatch(/rate +0\.8 connections\/s sustained \(50 4-tuples ÷ 60 s.*\n +10\/s lasts 5 s$/m);
    const server = await runCli(["doctor", "--role", "server", "--connect-rate", "10", "--no-measure"]);
    expect([server.code, server.stderr]).toEqual([2, expect.stringMatching(/--connect-rate does not apply/)]);
  });
});
