// Tests the rows of a prediction, their order, its notes, and the costs of both programs: from made-up facts, and once
// from this host.
import { describe, expect, it } from "vitest";
import { COMMITTED_COST } from "../../src/capacity/calibration.js";
import type { HostFacts } from "../../src/capacity/host-facts.js";
import type { Load } from "../../src/capacity/load.js";
import { examine, predict, predictCapacity } from "../../src/capacity/predict.js";
import type { Server, Worker } from "../../src/capacity/server.js";
import { hostFacts, localLoad } from "../support/doctor.js";

/** A host with ample resources. */
const facts = hostFacts({
  cores: 4,
  cpus: 4,
  nofile: { soft: 1_000_000, hard: 1_000_000 },
  softAtStart: undefined,
  openDescriptors: 20,
  canPark: true,
  canUnshare: true,
  nrOpen: 1_048_576,
  fileMax: 100_000_000,
  filesOpen: 1000,
  ignoresFileMax: false,
  epollWatches: 50_000_000,
  memory: { bound: "host", availableBytes: 2 ** 40, floorBytes: 2 ** 30 },
  cgroupMemory: undefined,
  cgroupHigh: undefined,
  cgroupTcpMemory: undefined,
  cgroupPids: undefined,
  isTracked: false,
  isTrackingOfPort: true,
  translation: "none",
  somaxconn: 4096,
});
const load = localLoad({ connections: 1000 });
const ask = (changedFacts: Partial<HostFacts>, changedLoad: Partial<Load> = {}) =>
  predict({ facts: { ...facts, ...changedFacts }, load: { ...load, ...changedLoad }, obstacle: undefined });
const rowOf = (id: string, changedFacts: Partial<HostFacts>, changedLoad: Partial<Load> = {}) =>
  ask(changedFacts, changedLoad).limits.find((row) => row.id === id)!;

function server({
  workers = [],
  rooms = [],
  listeners = 1,
}: {
  workers?: Partial<Worker>[];
  rooms?: (number | undefined)[];
  listeners?: number;
}) {
  const worker = { pid: 7, name: "nginx", args: [], isProxy: false, isStopped: false, isFrozen: false };
  return {
    process: undefined,
    listeners: Array.from({ length: listeners }, () => ({ port: 80, acceptQueue: { used: 0, limit: 511 } })),
    held: 0,
    workers: workers.map((changed) => ({ ...worker, ...changed })),
    queues: rooms.map((room) => ({ room, isStopped: false })),
  } as unknown as Server;
}

describe("the verdict of a row", () => {
  it("is ok at exactly the wanted number, and insufficient one below it", () => {
    // 666 of them stay free.
    const verdicts = [2665, 2666, 2667].map((epollWatches) => {
      const { verdict, allows } = rowOf("epoll-watches", { epollWatches });
      return [allows, verdict];
    });
    expect(verdicts).toEqual([
      [999, "insufficient"],
      [1000, "ok"],
      [1000, "ok"],
    ]);
    expect(ask({ epollWatches: 2666 }).isTargetMet).toBe(true);
    expect(ask({ epollWatches: 2665 }).isTargetMet).toBe(false);
  });

  it("is low below the needed value for limits that only affect performance, unknown if unreadable, and never a ceiling", () => {
    const rows = [1023, 1024, undefined, Number.POSITIVE_INFINITY].map((value) =>
      rowOf("somaxconn", { somaxconn: value } as Partial<HostFacts>),
    );
    expect(rows.map(({ now, nowText, needs, verdict, allows }) => [now, nowText, needs, verdict, allows])).toEqual([
      [1023, "1,023", 1024, "low", undefined],
      [1024, "1,024", 1024, "ok", undefined],
      [undefined, "unknown", 1024, "unknown", undefined],
      ["unlimited", "unlimited", 1024, "ok", undefined],
    ]);
    // With SYN cookies on, the length of the SYN queue does not matter.
    expect(rowOf("tcp-max-syn-backlog", { syncookies: 1, synBacklog: 1 })).toMatchObject({
      needs: undefined,
      verdict: "ok",
    });
  });

  it("is absent if the limit applies to the other end's host", () => {
    const somaxconn = { somaxconn: 1 };
    expect(rowOf("somaxconn", somaxconn, { role: "client" })).toMatchObject({ needs: undefined, verdict: "ok" });
    expect(rowOf("somaxconn", somaxconn, { role: "client", peer: server({}) })).toMatchObject({
      needs: 1024,
      verdict: "low",
    });
    expect(rowOf("somaxconn", somaxconn, { role: "server" })).toMatchObject({ needs: 1024, verdict: "low" });
    const plan = {
      groups: [{ sources: [], destinations: [] }],
      ports: { chosenBy: "us", range: { first: 1, last: 1 }, startAt: 1 },
    } as Load["plan"];
    const ports = { plan, hasAddressesAtWill: false };
    expect(rowOf("source-ports", {}, { ...ports, role: "client" }).allows).toBe(0);
    expect(rowOf("source-ports", {}, { ...ports, role: "server" })).toMatchObject({
      allows: "unlimited",
      needs: undefined,
    });
    const full = server({ workers: [{ nofileLimit: 30, openDescriptors: 20 }] });
    expect(rowOf("peer-nofile", {}, { role: "client", peer: full })).toMatchObject({
      allows: 10,
      verdict: "insufficient",
    });
  });
});

it("rows are sorted by verdict, worst first, then by headroom, least first", () => {
  const { limits, binding, next, unknown } = ask({
    epollWatches: 1000,
    fileMax: 1500,
    filesOpen: 1500,
    nrOpen: undefined,
    somaxconn: 1,
    syncookies: 0,
    synBacklog: undefined,
  });
  const verdicts = limits.map(({ verdict }) => verdict);
  const order = ["insufficient", "unknown", "low", "ok"];
  expect(verdicts).toEqual([...verdicts].sort((a, b) => order.indexOf(a) - order.indexOf(b)));
  expect(new Set(verdicts)).toEqual(new Set(order));
  for (const verdict of order) {
    const room = limits
      .filter((row) => row.verdict === verdict)
      .map(({ allows }) => (typeof allows === "number" ? allows : Infinity));
    expect(room).toEqual([...room].sort((a, b) => (a === b ? 0 : a - b)));
  }
  expect(limits.slice(0, 2).map(({ id }) => id)).toEqual(["file-max", "epoll-watches"]);
  expect([binding!.id, next[0]!.id]).toEqual(["file-max", "epoll-watches"]);
  expect(unknown).toEqual(limits.filter(({ verdict }) => verdict === "unknown").map(({ id }) => id));
  expect(unknown).toContain("tcp-max-syn-backlog");
});

describe("a note", () => {
  const notes = (changedFacts: Partial<HostFacts>, changedLoad: Partial<Load>) => ask(changedFacts, changedLoad).notes;

  it("says that a listener behind a NAT rule cannot be seen, if nothing listens and addresses are translated", () => {
    const nobody = { peer: server({ listeners: 0 }), target: "127.0.0.1:80", role: "both" } as const;
    const present = notes({ translation: "present" }, nobody);
    expect(present).toEqual([
      expect.stringMatching(/^nothing listens on 127\.0\.0\.1:80, but NAT rules are in force here and may redirect it/),
    ]);
    expect(notes({ translation: "unknown" as "present" }, nobody)).toEqual([
      expect.stringContaining("but NAT rules may be in force here and may redirect it"),
    ]);
    expect(notes({ translation: "none" }, nobody)).toEqual([]);
    expect(notes({ translation: "present" }, { ...nobody, peer: undefined })).toEqual([]);
  });

  it("mentions a soft limit that is too low but can be raised", () => {
    const ordinary = { program: "ordinary", role: "both" } as const;
    const soft = (softAtStart: number | undefined, hard: number) =>
      notes({ softAtStart, nofile: { soft: hard, hard } }, ordinary);
    expect(soft(999, 5000)).toEqual([expect.stringMatching(/stops at 999 \(ulimit -Sn\)$/)]);
    expect(soft(1000, 5000)).toEqual([]);
    // A soft limit equal to the hard limit cannot be raised.
    expect(soft(500, 500)).toEqual([]);
    expect(soft(499, 500)).toHaveLength(1);
    expect(soft(undefined, 500)).toEqual([]);
  });

  it("gives the number for a proxy, if that makes a difference", () => {
    const proxy = (left: number) =>
      notes({}, { role: "client", peer: server({ workers: [{ nofileLimit: left + 20, openDescriptors: 20 }] }) });
    // 2 × 499 descriptors are too few for 1,000 connections either way; with 2,000, even a proxy has enough.
    expect(proxy(998)).toEqual([]);
    expect(proxy(1000)).toEqual(["a proxy uses two descriptors per client: if the server is a proxy, it holds 500"]);
    expect(proxy(1999)).toEqual(["a proxy uses two descriptors per client: if the server is a proxy, it holds 999"]);
    expect(proxy(2000)).toEqual([]);
  });

  it("mentions fs.file-max only if it is the binding limit", () => {
    const root = (fileMax: number) => notes({ fileMax, filesOpen: 0, ignoresFileMax: true }, {}).length;
    const at = (fileMax: number) => rowOf("file-max", { fileMax, filesOpen: 0, ignoresFileMax: true }).allows;
    let fileMax = 2000;
    while (Number(at(fileMax)) < 1000) fileMax++;
    expect([at(fileMax - 1), root(fileMax - 1)]).toEqual([999, 1]);
    expect([at(fileMax), root(fileMax)]).toEqual([1000, 0]);
    // It does not bind if another limit is lower.
    expect(notes({ fileMax: 1500, filesOpen: 0, ignoresFileMax: true, epollWatches: 10 }, {})).toEqual([]);
  });

  it("gives the number of ports that may be in use", () => {
    expect(notes({}, { portsDoubtful: 1 })).toEqual([expect.stringMatching(/^1 4-tuple more may be in use/)]);
    expect(notes({}, { portsDoubtful: 0 })).toEqual([]);
  });

  it("gives the number of connections that a server without descriptors leaves in its accept queues", () => {
    const peer = (left: number, rooms: (number | undefined)[]) =>
      ask(
        {},
        {
          role: "client",
          peer: server({ workers: [{ isProxy: true, nofileLimit: 20 + 2 * left, openDescriptors: 20 }], rooms }),
        },
      );
    expect(peer(999, [100, undefined, 28]).notes).toEqual([
      expect.stringMatching(/leaves up to 128 more in its accept queue/),
    ]);
    expect(peer(1000, [100]).notes).toEqual([]);
    expect(peer(999, []).notes).toEqual([]);
    expect(peer(999, [undefined]).notes).toEqual([]);
    expect(ask({ epollWatches: 5 }, { role: "client", peer: server({ rooms: [100] }) }).notes).toEqual([]);
  });
});

it("other programs' CPU use is reported only with measured costs", () => {
  const hostLoad = { othersShare: 0.43, stealShare: 0 };
  const notes = (isMeasured: boolean) =>
    predict({ facts, load: { ...load, cost: { ...COMMITTED_COST, isMeasured } }, obstacle: undefined, hostLoad }).notes;
  expect([notes(true).length, notes(false).length]).toEqual([1, 0]);
});

it("times and message rates cover all connections and all cores", () => {
  const cost = { ...COMMITTED_COST, cpuSecondsPerConnection: 50e-6, cpuSecondsPerMessage: 20e-6 };
  const both = ask({}, { cost, connections: 8000, messageRatePerSec: 3 });
  expect(both.rampSeconds).toBeCloseTo(0.1);
  expect(both.messages).toEqual({ ratePerSec: 24_000, bytes: 64 });
  expect([both.cpu.connectionsPerSec, both.cpu.messagesPerSec].map(Math.round)).toEqual([80_000, 200_000]);
  expect([both.clients, both.isWhatIf]).toEqual([undefined, false]);
  expect(predict({ facts, load, obstacle: "none" }, true)).toMatchObject({ isWhatIf: true, obstacle: "none" });
});

it("a server's clients need as many hosts as necessary, at least one", () => {
  const clients = (epollWatches: number, connections: number) =>
    ask({ epollWatches }, { role: "server", connections }).clients;
  expect(clients(1333, 1000)!.hosts).toBe(1);
  expect(clients(1333, 1001)!.hosts).toBe(2);
  // Nothing fits on a host, and the result must still be finite.
  expect(clients(0, 50)!.hosts).toBe(50);
});

describe("this host, without measuring", () => {
  it("is evaluated for both programs; the given memory per connection applies to the ordinary one", async () => {
    const { load, beside, facts, obstacle, hostLoad } = await examine({
      measure: false,
      connections: 10,
      role: "server",
      cores: 3,
      memoryPerConnectionBytes: 12_345,
    });
    expect([load.program, beside?.program, facts.cores]).toEqual(["ordinary", "fourtuple", 3]);
    expect(load.cost).toEqual({ ...COMMITTED_COST, userBytesPerEnd: 12_345, isUserMemoryGiven: true });
    expect(beside?.cost).toEqual(COMMITTED_COST);
    expect([load.connections, load.role, load.messageRatePerSec]).toEqual([10, "server", 0]);
    expect([obstacle, hostLoad]).toEqual([undefined, undefined]);
  });

  it("is hypothetical if memory, cores or descriptors are given", async () => {
    const isWhatIf = async (options: object) =>
      (await predictCapacity({ measure: false, connections: 10, role: "server", ...options })).isWhatIf;
    const requested = [{}, { memoryBytes: 2 ** 33 }, { cores: 2 }, { nofile: 5000 }];
    expect(await Promise.all(requested.map(isWhatIf))).toEqual([false, true, true, true]);
    const { program, cost } = await predictCapacity({
      measure: false,
      program: "fourtuple",
      memoryPerConnectionBytes: 1,
    });
    expect([program, cost.userBytesPerEnd]).toEqual(["fourtuple", COMMITTED_COST.userBytesPerEnd]);
  });
});
