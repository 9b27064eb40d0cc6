// Tests the diagnosis of each pattern of evidence. The fault matrix checks that kernels and servers really produce
// these patterns.

import { describe, expect, it } from "vitest";
import { explainRun } from "../../src/diagnosis/explain.js";
import type { ConnectResult, LossPattern } from "../../src/index.js";
import { diagnosisText } from "../../src/output/text/diagnosis.js";
import { parseOwnResult } from "../../src/results/parse.js";
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
const listener = (used: number, limit = 128, drops: number | undefined = 0) => ({
  ip: "10.0.0.1",
  port: 7777,
  uid: 0,
  acceptQueue: { used, limit },
  drops,
});
/** Returns the pattern of 1,000 connections, of which 600 were kept and 400 lost. */
const pattern = (different: Partial<LossPattern> = {}) => ({
  shortestHeldMs: 0,
  longestHeldMs: 20,
  openedOverMs: 1000,
  kept: 600,
  keptOlder: 600,
  keptYounger: 0,
  oldestKeptMs: 1500,
  ...different,
});
const lossy = { lost: 400, losses: failure("hold", "FIN"), peakOpen: 1000, established: 1000 };

describe("a client's run", () => {
  const cases: [string, Parameters<typeof connectResult>[0], string, string][] = [
    ["EMFILE", { failures: failure("socket", "EMFILE") }, "nofile", "local"],
    ["ENFILE", { failures: failure("socket", "ENFILE") }, "file-max", "local"],
    ["ENOSPC from epoll", { failures: failure("register", "ENOSPC") }, "epoll-watches", "local"],
    ["a plan without free 4-tuples", { failures: failure("bind", "EADDRNOTAVAIL") }, "source-ports", "local"],
    ["the kernel out of ports", { failures: failure("connect", "EADDRNOTAVAIL") }, "ip-local-port-range", "local"],
    ["a privileged source port", { failures: failure("bind", "EACCES") }, "ip-unprivileged-port-start", "local"],
    ["no memory", { failures: failure("socket", "ENOBUFS") }, "memory", "local"],
    [
      "a lack of memory, with TCP under pressure",
      { failures: failure("socket", "ENOMEM"), evidence: { deltas: { "TcpExt.TCPMemoryPressures": 3 } } },
      "tcp-mem",
      "local",
    ],
    ["a server that does not read", { lost: 1, losses: failure("hold", "SEND_QUEUE_FULL") }, "messages", "peer"],
    ["many servers that do not read", { lost: 1, losses: failure("hold", "BUFFERS_FULL") }, "send-buffers", "local"],
    [
      "full buffers, with TCP under pressure",
      {
        lost: 1,
        losses: failure("hold", "BUFFERS_FULL"),
        evidence: { deltas: { "TcpExt.TCPMemoryPressures": 3 } },
      },
      "tcp-mem",
      "local",
    ],
    ["no route", { failures: failure("connect", "ENETUNREACH") }, "route", "local"],
    ["an unreachable host", { failures: failure("connect", "EHOSTUNREACH") }, "route", "network"],
    ["a refusal", { established: 0, failures: failure("connect", "ECONNREFUSED") }, "listener", "peer"],
    [
      "a refusal after connections that have ended",
      { lost: 600, failures: failure("connect", "ECONNREFUSED") },
      "listener",
      "peer",
    ],
    [
      "resets by a full accept queue",
      {
        lost: 400,
        losses: failure("hold", "ECONNRESET"),
        evidence: {
          settings: { "net.ipv4.tcp_abort_on_overflow": 1 },
          peer: { listeners: [listener(0, 128, 400)], process },
        },
      },
      "accept-queue",
      "peer",
    ],
    [
      "a refusal while another listener's accept queue overflows",
      {
        established: 0,
        failures: failure("connect", "ECONNREFUSED"),
        evidence: {
          deltas: { "TcpExt.ListenOverflows": 400 },
          settings: { "net.ipv4.tcp_abort_on_overflow": 1 },
          peer: { listeners: [], process: undefined },
        },
      },
      "listener",
      "peer",
    ],
    [
      "a refusal by ICMP although the server listens",
      {
        failures: failure("connect", "ECONNREFUSED"),
        evidence: { deltas: { "Icmp.InDestUnreachs": 400 }, peer: { listeners: [listener(0)], process } },
      },
      "path",
      "network",
    ],
    [
      "silence while conntrack cannot add an entry",
      { failures: failure("connect", "ETIMEDOUT"), evidence: { deltas: { "conntrack.insert_failed": 900 } } },
      "path",
      "network",
    ],
    [
      "silence because of a full SYN queue without cookies",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: {
          deltas: { "TcpExt.TCPReqQFullDrop": 500 },
          peer: { listeners: [listener(0, 128, 500)], process },
        },
      },
      "tcp-max-syn-backlog",
      "peer",
    ],
    [
      "silence while another listener's accept queue overflows",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { deltas: { "TcpExt.ListenOverflows": 9 }, peer: { listeners: [listener(0)], process } },
      },
      "path",
      "network",
    ],
    [
      "silence while conntrack drops packets",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { deltas: { "conntrack.drop": 900 }, gauges: { "conntrack.count": 600, "conntrack.max": 600 } },
      },
      "nf-conntrack-max",
      "network",
    ],
    [
      "silence and a full accept queue",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { deltas: { "TcpExt.ListenOverflows": 9 }, peer: { listeners: [listener(129)], process } },
      },
      "accept-queue",
      "peer",
    ],
    [
      "silence of a server without descriptors",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { peer: { listeners: [listener(129)], process: { ...process, openDescriptors: 1024 } } },
      },
      "nofile",
      "peer",
    ],
    [
      "silence while a core's backlog overflows",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: { deltas: { "softnet.dropped": 1200, "softnet.processed": 9000 } },
      },
      "netdev-max-backlog",
      "local",
    ],
    [
      "silence while backlogs dropped fewer packets than connections failed",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: {
          deltas: { "softnet.dropped": 12, "softnet.processed": 100 },
          peer: { listeners: [listener(0)], process },
        },
      },
      "path",
      "network",
    ],
    [
      "silence while backlogs dropped a small share of other programs' packets",
      {
        failures: failure("connect", "ETIMEDOUT"),
        evidence: {
          deltas: { "softnet.dropped": 1200, "softnet.processed": 900_000 },
          peer: { listeners: [listener(0)], process },
        },
      },
      "path",
      "network",
    ],
    [
      "silence of a server that listens and has room",
      { failures: failure("connect", "ETIMEDOUT"), evidence: { peer: { listeners: [listener(0)], process } } },
      "path",
      "network",
    ],
    [
      "closing above a connection limit",
      { ...lossy, evidence: { lossPattern: pattern(), peer: { listeners: [listener(0)], process } } },
      "peer-maximum",
      "peer",
    ],
    [
      "closing above a connection limit, while an accept queue that overflowed holds further connections",
      {
        ...lossy,
        kernel: { source: "sock_diag", outgoing: 600, incoming: 500 },
        evidence: {
          lossPattern: pattern({ keptOlder: 500, keptYounger: 100 }),
          peer: { listeners: [{ ...listener(0), drops: 749 }], process },
        },
      },
      "peer-maximum",
      "peer",
    ],
    [
      "closing of the oldest, while others grow older than these ever were",
      {
        ...lossy,
        evidence: {
          lossPattern: pattern({ keptOlder: 0, keptYounger: 600 }),
          peer: { listeners: [listener(0)], process },
        },
      },
      "peer-maximum",
      "peer",
    ],
    [
      "closing by a server without descriptors",
      {
        lost: 400,
        losses: failure("hold", "ECONNRESET"),
        evidence: { peer: { listeners: [listener(0)], process: { ...process, openDescriptors: 1023 } } },
      },
      "nofile",
      "peer",
    ],
    [
      "the loss of all connections",
      { established: 1000, lost: 1000, losses: failure("hold", "FIN", 1000) },
      "peer-ended",
      "peer",
    ],
    [
      "an exit of the server",
      {
        established: 600,
        lost: 600,
        losses: failure("hold", "FIN", 600),
        evidence: { peer: { listeners: [], process: undefined } },
      },
      "peer-ended",
      "peer",
    ],
    [
      "a restart of a server whose connections were opened over some time",
      {
        ...lossy,
        evidence: {
          lossPattern: pattern({ keptOlder: 0, keptYounger: 600, longestHeldMs: 800, oldestKeptMs: 3000 }),
          peer: { listeners: [{ ...listener(0), since: "replaced" }], process },
        },
      },
      "peer-ended",
      "peer",
    ],
    [
      "the loss of all connections at the same age",
      {
        established: 1000,
        lost: 1000,
        losses: failure("hold", "FIN", 1000),
        evidence: { lossPattern: pattern({ kept: 0, keptOlder: 0, shortestHeldMs: 2000, longestHeldMs: 2050 }) },
      },
      "peer-timeout",
      "peer",
    ],
    [
      "a server that closed only its listening socket",
      {
        lost: 10,
        losses: failure("hold", "ECONNRESET", 10),
        kernel: { source: "sock_diag", outgoing: 590, incoming: 590 },
        evidence: { peer: { listeners: [], process: undefined } },
      },
      "listener",
      "peer",
    ],
    [
      "the most frequent of several failures",
      { failures: [...failure("connect", "ECONNREFUSED", 1), ...failure("socket", "EMFILE", 399)] },
      "nofile",
      "local",
    ],
    [
      "a server that has stopped accepting",
      { evidence: { accepting: { accepted: 600, waiting: 400, synReceived: 0, isMoving: false } } },
      "peer-maximum",
      "peer",
    ],
    [
      "a server that kept accepting",
      { evidence: { accepting: { accepted: 600, waiting: 400, synReceived: 0, isMoving: true } } },
      "accept-queue",
      "peer",
    ],
    ["an errno that Linux does not return there", { failures: failure("option", "EPROTO") }, "policy", "local"],
  ];

  it.each(cases)("%s", (_, changed, limit, whose) => {
    const diagnosis = explainRun(connectResult(changed));
    expect(diagnosis.outcome).toBe("limited");
    expect(diagnosis.finding).toMatchObject({ limit, whose });
    expect(diagnosis.finding!.fix).toBeTruthy();
    expect(diagnosis.finding!.evidence.length).toBeGreaterThan(0);
  });

  it("mentions throttling by memory.high, whatever the outcome", () => {
    const evidence = { deltas: { "cgroup.memory.high": 1200, "cgroup.memory.max": 3 } };
    const { notes } = explainRun(connectResult({ evidence, isTargetMet: true }));
    expect(notes).toEqual([
      expect.stringMatching(/memory\.high was exceeded 1,200 times: the kernel throttled/),
      expect.stringMatching(/memory\.max was reached 3 times/),
    ]);
  });

  it("stopped by low memory names the cgroup or the host", () => {
    const memoryStop = { availableBytes: 1, floorBytes: 2, bound: "cgroup" } as const;
    expect(explainRun(connectResult({ evidence: { memoryStop } })).finding!.limit).toBe("cgroup-memory");
    const high = { ...memoryStop, limit: "memory.high" } as const;
    expect(explainRun(connectResult({ evidence: { memoryStop: high } })).finding).toMatchObject({
      limit: "cgroup-memory-high",
      meaning: expect.stringMatching(/below memory\.high, above which the kernel throttles/),
    });
    const host = { ...memoryStop, bound: "host" } as const;
    expect(explainRun(connectResult({ evidence: { memoryStop: host } })).finding!.limit).toBe("memory");
  });

  it("names the reserved ports only if the range would suffice without them", () => {
    const settings = {
      "net.ipv4.ip_local_port_range.first": 40_000,
      "net.ipv4.ip_local_port_range.last": 40_999,
      "net.ipv4.ip_local_port_range.reserved": 600,
    };
    const plan = { tuplesAvailable: 400, tuplesSkipped: 0, sourceAddresses: 1, sourcePorts: "kernel" } as const;
    const result = { plan, failures: failure("bind", "EADDRNOTAVAIL"), evidence: { settings } };
    expect(explainRun(connectResult({ ...result, requested: 900 })).finding!.limit).toBe("ip-local-reserved-ports");
    expect(explainRun(connectResult({ ...result, requested: 1100 })).finding!.limit).toBe("ip-local-port-range");
  });

  it("that met its target has no finding; a stopped one says so", () => {
    expect(explainRun(connectResult({ isTargetMet: true }))).toMatchObject({ outcome: "met", finding: undefined });
    expect(explainRun(connectResult({ evidence: { interrupted: true } })).outcome).toBe("stopped");
  });

  it("notes connections that are ESTABLISHED only at this end", () => {
    const kernel = { source: "sock_diag", outgoing: 1000, incoming: 940 };
    const { notes } = explainRun(connectResult({ isTargetMet: true, kernel }));
    expect(notes).toEqual(["60 more sockets are ESTABLISHED at this end than at the server's"]);
    const peer = { listeners: [listener(129, 128, 60)], process };
    const overrun = explainRun(connectResult({ isTargetMet: true, peakOpen: 1000, kernel, evidence: { peer } }));
    expect(overrun).toMatchObject({ outcome: "limited", reached: 940, finding: { limit: "accept-queue" }, notes: [] });
    const even = { source: "sock_diag", outgoing: 1000, incoming: 1000 };
    expect(explainRun(connectResult({ isTargetMet: true, kernel: even })).notes).toEqual([]);
  });

  it("counts what is still open, not what was once open", () => {
    const kernel = { source: "sock_diag", outgoing: 0, incoming: 0 };
    expect(explainRun(connectResult({ peakOpen: 600, lost: 100, kernel })).reached).toBe(500);
  });
});

describe("inconclusive evidence", () => {
  const suspectsOf = (changed: Parameters<typeof connectResult>[0]) => {
    const { outcome, finding, suspects } = explainRun(connectResult(changed));
    expect([outcome, finding]).toEqual(["undecided", undefined]);
    for (const { test, fix } of suspects) expect(test && fix).toBeTruthy();
    return suspects.map(({ limit, whose }) => `${limit} of ${whose}`);
  };

  it("refusals after some connections that stay open: a firewall's limit, or a closed listening socket", () => {
    expect(suspectsOf({ failures: failure("connect", "ECONNREFUSED") })).toEqual([
      "path of network",
      "listener of peer",
    ]);
  });

  it("silence of another host after some connections: its accept queue, or the path", () => {
    expect(suspectsOf({ failures: failure("connect", "ETIMEDOUT") })).toEqual([
      "accept-queue of peer",
      "path of network",
    ]);
  });

  it("silence from the start: a firewall, or no host", () => {
    expect(suspectsOf({ established: 0, failures: failure("connect", "ETIMEDOUT") })).toEqual([
      "path of network",
      "route of peer",
    ]);
  });

  it("silence while overflows rise, if this listener's own drops are unknown", () => {
    const peer = { listeners: [{ ...listener(0), drops: undefined }], process };
    const evidence = { deltas: { "TcpExt.ListenOverflows": 9 }, peer };
    expect(suspectsOf({ failures: failure("connect", "ETIMEDOUT"), evidence })).toEqual([
      "accept-queue of peer",
      "path of network",
    ]);
  });

  it.each([
    [
      "the oldest connections",
      { keptOlder: 0, keptYounger: 600, shortestHeldMs: 1000, longestHeldMs: 1050, oldestKeptMs: 1000 },
      "peer-timeout",
    ],
    ["connections of all ages", { keptOlder: 9, keptYounger: 9 }, "peer-closing"],
  ])("closing of %s does not indicate a connection limit", (_, different, limit) => {
    const evidence = { lossPattern: pattern(different), peer: { listeners: [listener(0)], process } };
    expect(suspectsOf({ ...lossy, evidence })).toEqual([`${limit} of peer`, "peer-maximum of peer"]);
  });

  it("closing in an old result, which has no ages", () => {
    const evidence = { peer: { listeners: [listener(0)], process } };
    expect(suspectsOf({ ...lossy, evidence })).toEqual(["peer-maximum of peer", "peer-timeout of peer"]);
  });

  it("a single loss, which may be the newest by chance", () => {
    const evidence = { lossPattern: pattern({ keptOlder: 590 }), peer: { listeners: [listener(0)], process } };
    const losses = failure("hold", "FIN", 1);
    expect(suspectsOf({ lost: 1, losses, evidence })[0]).toBe("peer-closing of peer");
  });

  it("more bytes than a connection of a user-defined protocol stores: a slow server, or a handler that sends too much", () => {
    const script = {
      name: "a",
      file: "a.mjs",
      sha256: "",
      seed: 1,
      phases: [],
      counters: [],
      histograms: [],
      refusals: [],
    };
    expect(suspectsOf({ lost: 1, losses: failure("hold", "SEND_QUEUE_FULL"), script })).toEqual([
      "messages of peer",
      "handler of local",
    ]);
  });

  it("a refusal although a server listens, and no ICMP: a reject rule, or a late start", () => {
    const evidence = { peer: { listeners: [listener(0)], process } };
    expect(suspectsOf({ failures: failure("connect", "ECONNREFUSED"), evidence })).toEqual([
      "path of network",
      "listener of peer",
    ]);
  });

  it("closing by another host: its connection limit, or its descriptors; the plateau's height is given", () => {
    const kernel = { source: "sock_diag", outgoing: 1015, incoming: 0 };
    const evidence = { lossPattern: pattern() };
    const changed = { ...lossy, kernel, peakOpen: 1415, evidence };
    expect(suspectsOf(changed)).toEqual(["peer-maximum of peer", "nofile of peer"]);
    const { suspects } = explainRun(connectResult(changed));
    expect(suspects.flatMap(({ evidence }) => evidence).join()).toMatch(/1,024/);
  });
});

describe("a server's run", () => {
  it.each([
    ["nothing", {}, undefined],
    ["--max-connections", { rejected: 5 }, "peer-maximum"],
    ["a full table shared by all threads", { tableFull: 3, hasPrivateTables: false }, "nofile"],
    ["full tables, but room in others", { tableFull: 3 }, undefined],
    ["an overflow", { backlog: { length: 5, drops: 2, listenOverflows: 2, listenDrops: 2 } }, "accept-queue"],
    [
      "another listener's overflow",
      { backlog: { length: 5, drops: 0, listenOverflows: 2, listenDrops: 2 } },
      undefined,
    ],
    ["ENFILE", { failures: [{ phase: "accept", errno: "ENFILE", count: 1 } as const] }, "file-max"],
  ])("%s", (_, changed, limit) => {
    expect(explainRun(serveResult(changed)).finding?.limit).toBe(limit);
  });
});

describe("a refusal by one of several destinations", () => {
  const failures = failure("connect", "ECONNREFUSED");
  const destinations = ["10.0.0.1:7777", "10.0.0.1:7778"];

  it("names the one without a listener", () => {
    const evidence = { peer: { listeners: [{ ...listener(0), ip: "0.0.0.0" }], process } };
    const { finding } = explainRun(connectResult({ destinations, failures, evidence }));
    expect(finding!.meaning).toMatch(/nothing listens on 10\.0\.0\.1:7778: 1 of the 2 destinations/);
  });

  it("says that one of them refuses if the other host's listeners are not visible", () => {
    expect(explainRun(connectResult({ destinations, failures })).finding!.meaning).toMatch(/one of the 2 destinations/);
  });

  it("does not mention an end while connections stay open", () => {
    const kernel = { source: "sock_diag", outgoing: 600, incoming: 600 };
    const evidence = { peer: { listeners: [], process: undefined } };
    const { finding } = explainRun(connectResult({ failures, kernel, evidence }));
    expect(finding!.meaning).toMatch(/closed its listening socket and keeps/);
    const redirected = explainRun(connectResult({ failures, kernel: { ...kernel, incoming: 0 }, evidence }));
    expect(redirected.finding!.meaning).toMatch(/redirected/);
  });
});

describe("the number held", () => {
  it("is our own count if the kernel's includes other programs' connections", () => {
    const kernel = { source: "sock_diag", outgoing: 5000, incoming: 0 };
    expect(explainRun(connectResult({ kernel, failures: failure("socket", "EMFILE") })).reached).toBe(600);
  });

  it("of a server: the total accepted is not a target that was missed", () => {
    const diagnosis = explainRun(serveResult({ accepted: 1150, rejected: 1050, peakOpen: 100 }));
    expect(diagnosis).toMatchObject({ of: "serve", wanted: 1150, reached: 100 });
    expect(diagnosisText(diagnosis)).toMatch(/^held at most 100 connections at once; 1,150 accepted in total/);
  });
});

it("a server is told that the kernel aborted its connections for lack of TCP memory", () => {
  const deltas = { "TcpExt.TCPAbortOnMemory": 1084, "TcpExt.TCPMemoryPressures": 3 };
  const { finding, notes, outcome } = explainRun(serveResult({ evidence: { ...serveResult().evidence, deltas } }));
  expect(outcome).toBe("limited");
  expect(finding).toMatchObject({ limit: "tcp-mem", whose: "local" });
  expect(finding!.meaning).toMatch(/aborted 1,084 connections/);
  expect(notes.join()).toMatch(/memory pressure 3 times/);
});

describe("notes", () => {
  it("mention connections aborted for lack of memory, and memory pressure, although the target is met", () => {
    const deltas = { "TcpExt.TCPAbortOnMemory": 1084, "TcpExt.TCPMemoryPressures": 1 };
    const { notes } = explainRun(connectResult({ isTargetMet: true, evidence: { deltas } }));
    expect(notes.join()).toMatch(/aborted 1,084 connections.*tcp_mem.*memory pressure 1 time /);
  });

  it("mention a full SYN queue and a full TIME_WAIT table", () => {
    const deltas = { "TcpExt.TCPReqQFullDoCookies": 7, "TcpExt.TCPTimeWaitOverflow": 8 };
    const { notes } = explainRun(connectResult({ isTargetMet: true, evidence: { deltas } }));
    expect(notes.join()).toMatch(/7 SYNs.*8 connections/);
  });
});

describe("foreign text", () => {
  it("does not reach the terminal unchanged", () => {
    const odd = { ...process, name: "a\x1b[31mb\nc" };
    const evidence = { lossPattern: pattern(), peer: { listeners: [listener(0)], process: odd } };
    const diagnosis = explainRun(connectResult({ ...lossy, evidence }));
    expect(diagnosisText(diagnosis)).toMatch(/a\?\[31mb\?c \(process 7\)/);
    const errno = explainRun(connectResult({ failures: failure("option", "E\x1b[2J") }));
    expect(diagnosisText(errno)).not.toContain("\x1b");
  });
});

describe("invalid results", () => {
  it.each([
    ["nothing", undefined],
    ["another program's file", { kind: "pressure", version: 1 }],
    ["a later version's result", { ...connectResult(), version: 2 }],
    ["a result without losses", { ...connectResult(), losses: undefined }],
    ["a result without evidence", { ...connectResult(), evidence: undefined }],
    ["a result with an empty peer", connectResult({ evidence: { peer: {} as never } })],
    ["a result with an empty failure", connectResult({ failures: [{}] as never })],
    ["a result with an empty memory stop", connectResult({ evidence: { memoryStop: {} as never } })],
    ["a result with an empty kernel count", connectResult({ kernel: {} as never })],
    ["a result with a negative number", connectResult({ requested: -5 })],
    [
      "a result with a counter that is not a number",
      connectResult({ evidence: { deltas: { "Tcp.x": "many" as never } } }),
    ],
    ["a server's result with an empty failure", serveResult({ failures: [{}] as never })],
    ["a property name of every object", { kind: "toString", version: 1 }],
  ])("%s is rejected", (_, value) => {
    expect(() => parseOwnResult(value, ["connect", "serve"])).toThrow(expect.objectContaining({ code: "E_OPTION" }));
  });
});
