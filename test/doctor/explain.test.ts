// What each pattern of evidence is taken for. That the patterns are what kernels and servers really show is the fault
// matrix's to prove.
import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/doctor/explain/run.js";
import type { ConnectResult } from "../../src/index.js";
import { connectResult, serveResult } from "../support/results.js";

const failure = (phase: ConnectResult["failures"][number]["phase"], errno: string, count = 400) => [
  { phase, errno, count },
];
const process = {
  pid: 7,
  name: "gateway",
  args: ["gateway"],
  isStopped: false,
  nofileLimit: 1024,
  openDescriptors: 700,
};
const listener = (used: number, limit = 128) => ({
  ip: "10.0.0.1",
  port: 7777,
  uid: 0,
  acceptQueue: { used, limit },
});

describe("a client's run", () => {
  const cases: [string, Parameters<typeof connectResult>[0], string, string][] = [
    ["EMFILE", { failures: failure("socket", "EMFILE") }, "nofile", "this side"],
    ["ENFILE", { failures: failure("socket", "ENFILE") }, "file-max", "this side"],
    ["ENOSPC from epoll", { failures: failure("register", "ENOSPC") }, "epoll-watches", "this side"],
    ["a plan that is used up", { failures: failure("bind", "EADDRNOTAVAIL") }, "source-ports", "this side"],
    ["the kernel out of ports", { failures: failure("connect", "EADDRNOTAVAIL") }, "ip-local-port-range", "this side"],
    ["a privileged source port", { failures: failure("bind", "EACCES") }, "ip-unprivileged-port-start", "this side"],
    ["no memory", { failures: failure("socket", "ENOBUFS") }, "memory", "this side"],
    [
      "no memory, and TCP under pressure",
      { failures: failure("socket", "ENOMEM"), evidence: { risen: { "TcpExt.TCPMemoryPressures": 3 } } },
      "tcp-mem",
      "this side",
    ],
    ["no route", { failures: failure("connect", "ENETUNREACH") }, "route", "this side"],
    ["nobody there", { failures: failure("connect", "EHOSTUNREACH") }, "route", "the path"],
    ["a refusal", { failures: failure("connect", "ECONNREFUSED") }, "listener", "the peer"],
    [
      "a refusal by a full accept queue",
      {
        failures: failure("connect", "ECONNREFUSED"),
        evidence: {
          risen: { "TcpExt.ListenOverflows": 400 },
          settings: { "net.ipv4.tcp_abort_on_overflow": 1 },
        },
      },
      "accept-queue",
      "the peer",
    ],
    [
      "silence while conntrack drops",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { risen: { "conntrack.drop": 900 }, gauges: { "conntrack.count": 600, "conntrack.max": 600 } },
      },
      "nf-conntrack-max",
      "the path",
    ],
    [
      "silence and a full accept queue",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { risen: { "TcpExt.ListenOverflows": 9 }, peer: { listeners: [listener(129)], process } },
      },
      "accept-queue",
      "the peer",
    ],
    [
      "silence of a server without descriptors",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { peer: { listeners: [listener(129)], process: { ...process, openDescriptors: 1024 } } },
      },
      "nofile",
      "the peer",
    ],
    [
      "silence while a core's backlog overflows",
      { failures: failure("connect", "ETIMEDOUT"), evidence: { risen: { "softnet.dropped": 12 } } },
      "netdev-max-backlog",
      "this side",
    ],
    [
      "silence of a server that listens and has room",
      { failures: failure("connect", "ETIMEDOUT"), evidence: { peer: { listeners: [listener(0)], process } } },
      "path",
      "the path",
    ],
    [
      "closing above a maximum",
      { lost: 400, losses: failure("hold", "FIN"), evidence: { peer: { listeners: [listener(0)], process } } },
      "peer-maximum",
      "the peer",
    ],
    [
      "closing by a server without descriptors",
      {
        lost: 400,
        losses: failure("hold", "ECONNRESET"),
        evidence: { peer: { listeners: [listener(0)], process: { ...process, openDescriptors: 1023 } } },
      },
      "nofile",
      "the peer",
    ],
    [
      "the end of everything",
      { established: 1000, lost: 1000, losses: failure("hold", "FIN", 1000) },
      "peer-ended",
      "the peer",
    ],
    [
      "the end of the server",
      { lost: 10, losses: failure("hold", "FIN", 10), evidence: { peer: { listeners: [], process: undefined } } },
      "peer-ended",
      "the peer",
    ],
    ["an errno without a rule", { failures: failure("option", "EPROTO") }, "unexplained", "this side"],
  ];

  it.each(cases)("%s", (_, changed, limit, whose) => {
    const diagnosis = explainRun(connectResult(changed));
    expect(diagnosis.outcome).toBe("limited");
    expect(diagnosis.finding).toMatchObject({ limit, whose });
    expect(diagnosis.finding!.fix).toBeTruthy();
    expect(diagnosis.finding!.evidence.length).toBeGreaterThan(0);
  });

  it("stopped by memory names the cgroup or the host", () => {
    const memoryStop = { availableBytes: 1, floorBytes: 2, bound: "cgroup" } as const;
    expect(explainRun(connectResult({ evidence: { memoryStop } })).finding!.limit).toBe("cgroup-memory");
    const host = { ...memoryStop, bound: "host" } as const;
    expect(explainRun(connectResult({ evidence: { memoryStop: host } })).finding!.limit).toBe("memory");
  });

  it("names the reserved ports only where the range would have done without them", () => {
    const settings = {
      "net.ipv4.ip_local_port_range.first": 40_000,
      "net.ipv4.ip_local_port_range.last": 40_999,
      "net.ipv4.ip_local_port_range.reserved": 600,
    };
    const plan = { tuplesAvailable: 400, tuplesSkipped: 0, sourceAddresses: 1, sourcePorts: "kernel" } as const;
    const result = { plan, failures: failure("bind", "EADDRNOTAVAIL"), evidence: { settings } };
    expect(explainRun(connectResult({ ...result, asked: 900 })).finding!.limit).toBe("ip-local-reserved-ports");
    expect(explainRun(connectResult({ ...result, asked: 1100 })).finding!.limit).toBe("ip-local-port-range");
  });

  it("that met its target has no finding; one that was stopped says so", () => {
    expect(explainRun(connectResult({ isTargetMet: true }))).toMatchObject({ outcome: "met", finding: undefined });
    expect(explainRun(connectResult({ evidence: { wasCutShort: true } })).outcome).toBe("stopped");
  });

  it("notes connections that only this end takes for ESTABLISHED", () => {
    const kernel = { source: "sock_diag", outgoing: 1000, incoming: 940 };
    const { notes } = explainRun(connectResult({ isTargetMet: true, kernel }));
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/^60 connections .*accept queue/);
    const even = { source: "sock_diag", outgoing: 1000, incoming: 1000 };
    expect(explainRun(connectResult({ isTargetMet: true, kernel: even })).notes).toEqual([]);
  });

  it("counts what is still open, not what was open once", () => {
    const kernel = { source: "sock_diag", outgoing: 0, incoming: 0 };
    expect(explainRun(connectResult({ peakOpen: 600, lost: 100, kernel })).reached).toBe(500);
  });
});

describe("where the evidence does not decide", () => {
  const suspectsOf = (changed: Parameters<typeof connectResult>[0]) => {
    const { outcome, finding, suspects } = explainRun(connectResult(changed));
    expect([outcome, finding]).toEqual(["undecided", undefined]);
    for (const { test, fix } of suspects) expect(test && fix).toBeTruthy();
    return suspects.map(({ limit, whose }) => `${limit} of ${whose}`);
  };

  it("silence of another host after some came about: its accept queue, or the path", () => {
    expect(suspectsOf({ failures: failure("connect", "ETIMEDOUT") })).toEqual([
      "accept-queue of the peer",
      "path of the path",
    ]);
  });

  it("silence from the first on: a firewall, or nobody", () => {
    expect(suspectsOf({ established: 0, failures: failure("connect", "ETIMEDOUT") })).toEqual([
      "path of the path",
      "route of the peer",
    ]);
  });

  it("closing by another host: its maximum, or its descriptors; the plateau's height is told", () => {
    const kernel = { source: "sock_diag", outgoing: 1015, incoming: 0 };
    const changed = { kernel, lost: 400, losses: failure("hold", "FIN") };
    expect(suspectsOf(changed)).toEqual(["peer-maximum of the peer", "nofile of the peer"]);
    const { suspects } = explainRun(connectResult(changed));
    expect(suspects.flatMap(({ evidence }) => evidence).join()).toMatch(/1,024/);
  });
});

describe("a server's life", () => {
  it.each([
    ["nothing", {}, undefined],
    ["--max-connections", { rejected: 5 }, "peer-maximum"],
    ["a full table that all share", { tableFull: 3, hasPrivateTables: false }, "nofile"],
    ["full tables beside others with room", { tableFull: 3 }, undefined],
    ["an overflow", { backlog: { length: 5, listenOverflows: 2, listenDrops: 2 } }, "accept-queue"],
    ["ENFILE", { failures: [{ phase: "accept", errno: "ENFILE", count: 1 } as const] }, "file-max"],
  ])("%s", (_, changed, limit) => {
    expect(explainRun(serveResult(changed)).finding?.limit).toBe(limit);
  });
});

describe("what is no result", () => {
  it.each([
    ["nothing", undefined],
    ["another program's", { kind: "pressure", version: 1 }],
    ["a later version's", { ...connectResult(), version: 2 }],
    ["one without its losses", { ...connectResult(), losses: undefined }],
    ["one without evidence, as before there was any", { ...connectResult(), evidence: undefined }],
  ])("%s is refused", (_, value) => {
    expect(() => explainRun(value as never)).toThrow(expect.objectContaining({ code: "E_OPTION" }));
  });
});
