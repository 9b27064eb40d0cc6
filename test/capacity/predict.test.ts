// Tests the predicted ceiling from made-up facts: which limit binds, what is unknown, and the effect of other hardware.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { COMMITTED_COST } from "../../src/capacity/calibration.js";
import type { HostFacts } from "../../src/capacity/host-facts.js";
import type { Load } from "../../src/capacity/load.js";
import { predict } from "../../src/capacity/predict.js";
import { imagine } from "../../src/capacity/what-if.js";
import { parseIp } from "../../src/util/address.js";
import { numberOf } from "../../src/util/bound.js";
import { hostFacts, localLoad } from "../support/doctor.js";

const GIB = 2 ** 30;
const facts = hostFacts({
  cores: 2,
  cpus: 2,
  nofile: { soft: 1024, hard: 20_000 },
  softAtStart: undefined,
  openDescriptors: 20,
  canPark: true,
  canUnshare: true,
  nrOpen: 1_048_576,
  fileMax: 2_000_000,
  filesOpen: 1000,
  ignoresFileMax: false,
  epollWatches: 5_000_000,
  portRange: { first: 32_768, last: 60_999 },
  reservedPorts: [],
  listeningPorts: [],
  memoryBytes: 16 * GIB,
  memory: { bound: "host", availableBytes: 15 * GIB, floorBytes: GIB },
  cgroupMemory: undefined,
  cgroupHigh: undefined,
  cgroupTcpMemory: undefined,
  cgroupPids: undefined,
  hides: { cgroupMemory: false, cgroupPids: false, conntrack: false },
  conntrack: { count: 0, max: 1000, buckets: 1000 },
  isTracked: false,
  isTrackingOfPort: true,
  translation: "none",
});
const load = localLoad({ connections: 100_000 });
const ask = (changedFacts: Partial<HostFacts>, changedLoad: Partial<Load> = {}) =>
  predict({ facts: { ...facts, ...changedFacts }, load: { ...load, ...changedLoad }, obstacle: undefined });
const explicit = (first: number, last: number, addresses = 1): Load["plan"] => ({
  groups: [
    {
      sources: [{ first: parseIp("10.0.0.1"), count: addresses }],
      destinations: [{ ip: parseIp("10.9.9.9"), port: 7777 }],
    },
  ],
  ports: { chosenBy: "us", range: { first, last }, startAt: first },
});
const kernelChosen: Load["plan"] = { ...explicit(1, 1)!, ports: { chosenBy: "kernel", available: 28_232 } };

const kernelLoad: Partial<Load> = { plan: kernelChosen, hasAddressesAtWill: false };

describe("a client without kernel sockets", () => {
  const packet = { transport: "packet", plan: explicit(1024, 65_535, 1000), hasAddressesAtWill: false } as const;
  const allows = ({ limits }: ReturnType<typeof ask>) => Object.fromEntries(limits.map((row) => [row.id, row.allows]));

  it("takes no descriptors, open files or kernel memory", () => {
    const client = ask({ canPark: false, canUnshare: false, fileMax: 2000 }, { ...packet, role: "client" });
    expect(allows(client)).toMatchObject({
      nofile: "unlimited",
      "file-max": "unlimited",
      "epoll-watches": "unlimited",
    });
    expect(client.cost.bytesPerConnection).toBe(COMMITTED_COST.userBytesPerEnd);
    expect(client.limits.find(({ id }) => id === "tun-txqueuelen")).toMatchObject({ needs: load.burst, verdict: "ok" });
  });

  it("leaves a server on the same host twice the room", () => {
    const [kernel, both] = [ask({}, { role: "both" }), ask({}, { ...packet, role: "both" })];
    expect(allows(both)["file-max"]).toBe(2 * numberOf(allows(kernel)["file-max"] as number));
    expect(kernel.cost.bytesPerConnection - both.cost.bytesPerConnection).toBe(COMMITTED_COST.kernelBytesPerEnd);
    const server = ask({}, { transport: "packet", role: "server" });
    expect(allows(server)).toEqual(allows(ask({}, { role: "server" })));
  });
});

describe("the binding limit", () => {
  const cases: [string, Partial<HostFacts>, Partial<Load>, string, number][] = [
    ["one descriptor table", { canPark: false, canUnshare: false }, { role: "client" }, "nofile", 19_960],
    // 5% of it is reserved for other programs.
    ["fs.file-max, for both ends", { fileMax: 101_000 }, {}, "file-max", 47_475],
    ["fs.file-max, for root too", { fileMax: 101_000, ignoresFileMax: true }, {}, "file-max", 47_475],
    [
      "memory.high, which only throttles",
      { cgroupHigh: { bound: "cgroup", availableBytes: 200 * 2 ** 20, floorBytes: 50 * 2 ** 20 }, residentBytes: 0 },
      {},
      "cgroup-memory-high",
      Math.floor((90 * 2 ** 20) / 5660),
    ],
    [
      "cgroup v1's limit on queued TCP data",
      {
        tcpMemUsed: 0,
        tcpMem: [1e6, 1e6, 1e6],
        cgroupTcpMemory: {
          file: "memory.kmem.tcp.limit_in_bytes",
          limitBytes: 8000 * 4096,
          usedBytes: 0,
          kernelBytes: 0,
        },
      },
      { messageRatePerSec: 1 },
      "cgroup-tcp-memory",
      4000,
    ],
    ["threads of the run itself", { cgroupPids: { limit: 20, used: 15 } }, {}, "cgroup-pids", 0],
    // 1,024 watches stay free.
    ["epoll watches, for both ends", { epollWatches: 91_024 }, {}, "epoll-watches", 45_000],
    ["epoll watches, for one end", { epollWatches: 91_024 }, { role: "server" }, "epoll-watches", 90_000],
    ["explicit ports", {}, { plan: explicit(1024, 65_535), hasAddressesAtWill: false }, "source-ports", 64_512],
    [
      "explicit ports, some of them in use",
      {},
      { plan: explicit(2000, 2999, 3), hasAddressesAtWill: false, portsInUse: 7 },
      "source-ports",
      2993,
    ],
    ["the kernel's ports", {}, kernelLoad, "ip-local-port-range", 28_232],
    [
      "the kernel's ports without those that services listen on",
      { listeningPorts: [80, 33_000, 34_000] },
      kernelLoad,
      "ip-local-port-range",
      28_230,
    ],
    [
      "reserved ports, where the range would suffice without them",
      { reservedPorts: [{ first: 40_000, last: 49_999 }] },
      { ...kernelLoad, connections: 25_000 },
      "ip-local-reserved-ports",
      18_232,
    ],
    ["conntrack, if it tracks connections", { isTracked: true }, {}, "nf-conntrack-max", 1000],
    ["memory", { memory: { bound: "host", availableBytes: GIB + 850_000, floorBytes: GIB } }, {}, "memory", 100],
    [
      "tcp_mem, if a message is queued on every connection",
      { tcpMem: [1, 2, 5000], tcpMemUsed: 0 },
      { messageRatePerSec: 1 },
      "tcp-mem",
      2500,
    ],
    [
      "a link's speed",
      { linkBitsPerSec: 1e9, cpus: 64 },
      { messageRatePerSec: 100, messageBytes: 910, role: "client" },
      "link-speed",
      1250,
    ],
  ];

  it.each(cases)("%s", (_, changedFacts, changedLoad, id, ceiling) => {
    const { binding, ceiling: found, isTargetMet, connections } = ask(changedFacts, changedLoad);
    expect([binding?.id, found]).toEqual([id, ceiling]);
    expect(isTargetMet).toBe(ceiling >= connections);
  });

  it("is the lowest, followed by the next three in order; the worst rows come first", () => {
    const { ceiling, binding, next, limits } = ask({ epollWatches: 90_000, fileMax: 101_000, isTracked: true });
    expect(binding!.allows).toBe(ceiling);
    const behind = next.map(({ allows }) => allows as number);
    expect(behind).toHaveLength(3);
    const inOrder = [numberOf(ceiling), ...behind];
    expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
    const numbers = limits.flatMap(({ allows }) => (typeof allows === "number" ? [allows] : []));
    expect(Math.min(...numbers)).toBe(ceiling);
    expect(limits[0]!.verdict).toBe("insufficient");
  });

  it("is never ports if more addresses are available, nor reserved ports if the range suffices without them", () => {
    const reservedPorts = [{ first: 40_000, last: 40_009 }];
    const ids = (load: Partial<Load>) => {
      const { binding, next } = ask({ reservedPorts }, load);
      return [binding, ...next].map((row) => row?.id);
    };
    expect(ids({ plan: kernelChosen })).not.toContain("ip-local-port-range");
    expect(ids({ ...kernelLoad, connections: 1000 })).toContain("ip-local-port-range");
    expect(ids({ ...kernelLoad, connections: 1000 })).not.toContain("ip-local-reserved-ports");
  });

  it("never rises when a resource shrinks", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5e6 }), fc.integer({ min: 0, max: 5e6 }), (watches, fewer) => {
        const before = numberOf(ask({ epollWatches: watches }).ceiling);
        const after = numberOf(ask({ epollWatches: Math.max(0, watches - fewer) }).ceiling);
        expect(after).toBeLessThanOrEqual(before);
      }),
    );
  });
});

it("warns that root can exceed fs.file-max at the expense of other programs", () => {
  const notes = (ignoresFileMax: boolean) => ask({ fileMax: 101_000, ignoresFileMax }).notes.join();
  expect(notes(true)).toMatch(/all others on this host then fail with ENFILE/);
  expect(notes(false)).toBe("");
  // systemd's default, effectively unlimited.
  expect(ask({ fileMax: Number.POSITIVE_INFINITY }).limits.find(({ id }) => id === "file-max")).toMatchObject({
    allows: "unlimited",
    nowText: "unlimited",
  });
});

describe("ordinary programs and fourtuple", () => {
  it("get separate answers: one table and the kernel's ports, or parked sockets and chosen ports", () => {
    const server = { role: "server" } as const;
    const { answers, program } = ask({}, { ...server, program: "ordinary" });
    expect(program).toBe("ordinary");
    expect(answers.ordinary).toMatchObject({ ceiling: 19_960, isTargetMet: false, binding: { id: "nofile" } });
    expect(answers.fourtuple).toMatchObject({ isTargetMet: true });
    expect(answers.fourtuple.ceiling).toBeGreaterThan(100_000);
    expect(ask({}, { ...server, program: "fourtuple" }).answers).toEqual(answers);
  });

  it("apply an open-file limit in the same way, whether it is real or hypothetical", () => {
    const ofLimit = (hard: number) => ({ ...facts, nofile: { soft: hard, hard } });
    for (const program of ["ordinary", "fourtuple"] as const) {
      const requested = { ...load, role: "server", program } as const;
      const answer = (host: HostFacts) => predict({ facts: host, load: requested, obstacle: undefined }).answers;
      expect(answer(imagine(ofLimit(1_000_000), { nofile: 20_000 }))).toEqual(answer(ofLimit(20_000)));
    }
  });

  it("differ in the soft limit, which a program may keep, and in the cost of a proxy", () => {
    const notes = (program: Load["program"], softAtStart: number) =>
      ask({ softAtStart }, { program, role: "server", connections: 12_000 }).notes.join();
    expect(notes("ordinary", 1024)).toMatch(/stops at 1,024 \(ulimit -Sn\)/);
    expect(notes("ordinary", 20_000)).toMatch(/^a proxy uses two descriptors per client: .* holds 9,980$/);
    expect(notes("fourtuple", 1024)).toBe("");
  });
});

it("reports how much CPU other programs used while the cost was measured", () => {
  const measured = { ...load, cost: { ...COMMITTED_COST, isMeasured: true } };
  const notes = (othersShare: number, stealShare: number) =>
    predict({ facts, load: measured, obstacle: undefined, hostLoad: { othersShare, stealShare } }).notes;
  expect(notes(0.43, 0.05)).toEqual([
    expect.stringMatching(/^other programs used 43% of the CPU, the hypervisor 5% \(steal\) while the cost/),
  ]);
  expect(notes(0.05, 0.01)).toEqual([]);
});

describe("CPU", () => {
  const cost = { ...COMMITTED_COST, cpuSecondsPerMessage: 20e-6, cpuSecondsPerConnection: 50e-6 };

  it("limits messages: 10 million per second do not fit on two cores", () => {
    const { binding, isTargetMet, cpu } = ask({}, { messageRatePerSec: 100, cost });
    expect(binding).toMatchObject({ id: "cpu", allows: 1000, needs: 200 });
    expect(isTargetMet).toBe(false);
    expect(cpu.messagesPerSec).toBeCloseTo(100_000);
    expect(cpu.connectionsPerSec).toBeCloseTo(40_000);
  });

  it("is shared by both ends on one host, and limited by a cgroup quota", () => {
    const load = { messageRatePerSec: 100, cost };
    expect(ask({}, { ...load, role: "server" }).binding).toMatchObject({ id: "cpu", allows: 2000 });
    expect(ask({ cpus: 0.5 }, load).binding).toMatchObject({ allows: 250, nowText: "0.5 of 2 cores" });
    expect(imagine({ ...facts, cpus: 0.5 }, { cores: 8 }).cpus).toBe(8);
  });

  it("does not matter for idle connections", () => {
    expect(ask({ cpus: 0.1 }).limits.find(({ id }) => id === "cpu")!.allows).toBe("unlimited");
  });
});

describe("an unreadable value", () => {
  it("is reported as unknown, never as a number", () => {
    const { limits, unknown, isTargetMet } = ask({ epollWatches: undefined, nrOpen: undefined });
    expect(unknown).toEqual(expect.arrayContaining(["epoll-watches", "nr-open"]));
    const row = limits.find(({ id }) => id === "epoll-watches")!;
    expect([row.now, row.nowText, row.allows, row.verdict]).toEqual([undefined, "unknown", "unknown", "unknown"]);
    expect(isTargetMet).toBe(true);
  });
});

describe("hypothetical hardware", () => {
  it("replaces memory, cores and descriptors, and the settings derived from memory", () => {
    const other = imagine(facts, { memoryBytes: 64 * GIB, cores: 32, nofile: 1_000_000 });
    expect(other).toMatchObject({ cores: 32, nofile: { soft: 1_000_000, hard: 1_000_000 }, epollWatches: 20_000_000 });
    expect(other.memory?.availableBytes).toBe(64 * GIB);
    const ordinary = { ...load, role: "server", program: "ordinary" } as const;
    expect(predict({ facts: other, load: ordinary, obstacle: undefined }).binding!.id).toBe("nofile");
  });

  it("without any values changes nothing", () => {
    expect(imagine(facts, {})).toEqual(facts);
  });
});

it("a server's clients are estimated as addresses and hosts", () => {
  const { clients } = ask({ epollWatches: 1_900_000 }, { role: "server", connections: 10_000_000 });
  expect(clients).toEqual({ addresses: Math.ceil(10_000_000 / 64_512), hosts: 6 });
});
