// Tests the note on retransmitted SYNs, with its cause, in a run that met its target.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult, Diagnosis } from "../../src/index.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { hasProgram, resultOf, runCli, startCli } from "../support/process.js";
import { connectResult } from "../support/results.js";

const latency = (p90Us: number, maxUs: number): ConnectResult["latency"] => {
  const { latency } = connectResult();
  return { ...latency, connect: { ...latency.connect, count: 300, p90Us, maxUs } };
};
const notesOn = (deltas: Record<string, number>, p90Us = 100, maxUs = 200) =>
  explainRun(
    connectResult({ isTargetMet: true, established: 300, latency: latency(p90Us, maxUs), evidence: { deltas } }),
  ).notes;

describe("a run that met its target with retransmitted SYNs", () => {
  it.skipIf(!canMakeNamespaces() || !hasProgram("nft"))("because a firewall drops packets above a rate", async () => {
    enterNamespace();
    execFileSync("nft", [
      "table inet f { chain i { type filter hook input priority 0; tcp dport 8000 tcp flags & (syn|ack) == syn limit rate over 20/second burst 30 packets drop; }; }",
    ]);
    const server = startCli(["serve", "127.0.0.1:8000", "--log", "none"]);
    await server.prints(/listening/);
    const { stdout } = await runCli(["connect", "127.0.0.1:8000", "-c", "40", "-T", "0s", "--json"]);
    const { outcome, diagnosis }: ConnectResult & { diagnosis: Diagnosis } = resultOf(stdout);
    expect(outcome).toBe("met");
    expect(diagnosis.notes.join()).toMatch(
      /^\d+ SYNs were retransmitted \(TCPSynRetrans\): the first SYNs were dropped by a f/,
    );
    expect(diagnosis.notes.join()).toMatch(/at most [1-9][.\d]* s/);
  });

  it("because an accept queue on this host overflowed", () => {
    expect(notesOn({ "TcpExt.TCPSynRetrans": 90, "TcpExt.ListenOverflows": 95 }, 1e6, 1.1e6)).toEqual([
      expect.stringMatching(/^90 SYNs were retransmitted .*overflowed 95 times; connecting took 1 s \(p90\)/),
    ]);
  });

  it("because the peer still had connections with the same 4-tuples", () => {
    expect(notesOn({ "TcpExt.TCPSynRetrans": 20, "Tcp.OutRsts": 20 })).toEqual([
      expect.stringMatching(/^20 SYNs .*connections with the same 4-tuples.*challenge ACKs/),
    ]);
  });

  it("of another program is not mentioned", () => {
    expect(notesOn({ "TcpExt.TCPSynRetrans": 20 })).toEqual([]);
    expect(notesOn({ "TcpExt.TCPSynRetrans": 1, "Tcp.OutRsts": 5 })).toEqual([]);
  });
});
