// Tests the plan of changes: it contains the right changes in an order that is safe at each step, only raises limits,
// and never guesses.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../src/capacity/host-facts.js";
import type { Load } from "../../src/capacity/load.js";
import { predict } from "../../src/capacity/predict.js";
import { RING_LOCKED_BYTES } from "../../src/transport/kernel-uring/ring-size.js";
import type { Change, FixPlan } from "../../src/tuning/change.js";
import { planChanges } from "../../src/tuning/changes.js";
import { scriptFor } from "../../src/tuning/script.js";
import { isSameValue, normalise, parsePortList } from "../../src/tuning/value.js";
import type { PortRange } from "../../src/util/endpoint.js";
import { clientLoad, hostFacts, readerOf, settingsOf } from "../support/doctor.js";

const RANGE = "net.ipv4.ip_local_port_range";
const RESERVED = "net.ipv4.ip_local_reserved_ports";

function plan(
  facts: Partial<HostFacts> = {},
  load: Partial<Load> = {},
  { without = [], udpPorts = [] }: { without?: readonly string[]; udpPorts?: readonly number[] } = {},
): FixPlan {
  const host = hostFacts(facts);
  const settings = settingsOf(host);
  for (const name of without) settings.delete(name);
  return planChanges({ facts: host, load: clientLoad(load), obstacle: undefined }, readerOf(settings), udpPorts);
}

const brief = ({ changes }: FixPlan) => changes.map(({ kind, name, from, to }) => [kind, name, from, to]);
const serverOf = (connections: number): Partial<Load> => ({ connections, role: "server", plan: undefined });

describe("the proposed changes", () => {
  it("are empty if the load fits", () => {
    expect(plan()).toMatchObject({ isTargetMet: true, changes: [], unknown: [] });
  });

  it("raise fs.nr_open before RLIMIT_NOFILE, which only whatever starts a process can set", () => {
    const { changes } = plan({ epollWatches: 1e8, fileMax: 1e8 }, serverOf(2_000_000));
    expect(changes.slice(0, 2)).toMatchObject([
      { kind: "sysctl", name: "fs.nr_open", from: "1048576", to: "2097152", limitId: "nr-open" },
      {
        kind: "rlimit",
        name: "RLIMIT_NOFILE",
        from: "1048576",
        to: "2097152",
        how: "ulimit -n 2097152",
        systemd: "LimitNOFILE=2097152",
        container: "--ulimit nofile=2097152:2097152",
      },
    ]);
  });

  it("leave fs.nr_open alone if the open-file limit is below it", () => {
    const nofile = { soft: 1024, hard: 4096 };
    expect(brief(plan({ nofile }, serverOf(100_000)))).toEqual([["rlimit", "RLIMIT_NOFILE", "4096", "114688"]]);
  });

  it("raise the descriptors of a server on this host that has too few, and say whose they are", () => {
    const process = {
      pid: 4321,
      name: "server\nrm -rf /",
      args: [],
      isStopped: false,
      nofileLimit: 1024,
      openDescriptors: 10,
    };
    const peer = {
      listeners: [{ ip: "127.0.0.1", port: 7777, uid: 0, acceptQueue: { used: 0, limit: 4096 } }],
      process,
      workers: [{ ...process, isProxy: false }],
      held: 0,
      queues: [{ room: 4097, isStopped: false }],
    };
    const found = plan({ canPark: true }, { peer });
    expect(brief(found)).toEqual([["rlimit", "RLIMIT_NOFILE of server?rm -rf / (4321)", "1024", "10240"]]);
    expect(scriptFor(found).script).not.toMatch(/^rm/m);
  });

  it("locked memory for io_uring, in the units of shells, of limits.conf and of systemd", () => {
    const obstacle = { kind: "memlock", memlockBytes: 65_536, neededBytes: 1 } as const;
    const engines = { client: "epoll", server: "epoll", obstacle } as const;
    const { isTargetMet, changes } = plan({ memlockBytes: 65_536, canPark: true }, { engines });
    expect([isTargetMet, changes.length]).toEqual([true, 1]);
    const bytes = Number(changes[0]!.to);
    expect(bytes).toBeGreaterThanOrEqual(4 * RING_LOCKED_BYTES);
    expect(changes[0]).toMatchObject({
      ...{ kind: "rlimit", name: "RLIMIT_MEMLOCK", from: "65536", limitId: "memlock" },
      ...{ systemd: `LimitMEMLOCK=${bytes}`, container: `--ulimit memlock=${bytes}:${bytes}` },
      how: expect.stringMatching(
        new RegExp(`^ulimit -l ${bytes / 1024}; .*"USER - memlock ${bytes / 1024}" .* --memlock=${bytes}$`),
      ),
    });
  });

  it("raise settings of the host: open files, epoll watches", () => {
    const found = plan({ canPark: true, fileMax: 50_000, epollWatches: 60_000 }, serverOf(100_000));
    expect(brief(found)).toEqual([
      ["sysctl", "fs.file-max", "50000", "114688"],
      ["sysctl", "fs.epoll.max_user_watches", "60000", "114688"],
    ]);
    expect(found.changes[0]).toMatchObject({
      privilege: "CAP_SYS_ADMIN",
      container: expect.stringMatching(/on the host/),
    });
  });

  it("raise conntrack's buckets before its maximum", () => {
    const conntrack = { count: 100, max: 8192, buckets: 1024 };
    expect(brief(plan({ conntrack, isTracked: true }))).toEqual([
      ["sysctl", "net.netfilter.nf_conntrack_buckets", "1024", "4096"],
      ["sysctl", "net.netfilter.nf_conntrack_max", "8192", "10240"],
    ]);
  });

  it("raise net.core.somaxconn, with a note that servers have to be restarted", () => {
    const { changes } = plan({ somaxconn: 128, syncookies: 0, synBacklog: 256 }, serverOf(10_000));
    expect(changes).toMatchObject([
      { name: "net.ipv4.tcp_max_syn_backlog", from: "256", to: "1024" },
      {
        name: "net.core.somaxconn",
        from: "128",
        to: "1024",
        pitfall: expect.stringMatching(/restart/),
        container: '--sysctl net.core.somaxconn="1024"',
      },
    ]);
  });

  it("raise tcp_mem in order, and lower none of its numbers", () => {
    const [change] = plan({ tcpMem: [100, 9000, 9500] }, { messageRatePerSec: 1, messageBytes: 5000 }).changes;
    expect(change).toMatchObject({ name: "net.ipv4.tcp_mem", from: "100 9000 9500", to: "10240 13654 20480" });
  });

  it("raise a cgroup's memory and threads as named in units and containers", () => {
    const MIB = 1024 ** 2;
    const { changes } = plan(
      {
        nofile: { soft: 264, hard: 264 },
        canUnshare: true,
        cgroupPids: { limit: 20, used: 15 },
        cgroupMemoryLimit: 256 * MIB,
        cgroupMemory: { bound: "cgroup", availableBytes: 200 * MIB, floorBytes: 64 * MIB },
      },
      serverOf(100_000),
    );
    expect(changes.find(({ limitId }) => limitId === "cgroup-memory")).toMatchObject({
      kind: "advice",
      // 56 MiB in use + 60 MiB for the run + 397 MiB for the connections + the floor, which is 256 MiB but at most a
      // quarter of the limit.
      systemd: "MemoryMax=704M",
      container: "--memory 704m",
    });
    expect(changes.find(({ limitId }) => limitId === "cgroup-pids")).toMatchObject({
      systemd: expect.stringMatching(/^TasksMax=\d+$/),
      container: expect.stringMatching(/^--pids-limit \d+$/),
    });
  });

  it("set the hash table's size for the next boot", () => {
    const { changes } = plan({ establishedBuckets: 1024 });
    expect(changes).toMatchObject([{ kind: "advice", how: "thash_entries=4096 on the kernel's command line" }]);
  });
});

describe("source ports", () => {
  const narrow: PortRange = { first: 40_000, last: 40_499 };

  it("are added above the range first", () => {
    expect(brief(plan({ portRange: narrow }))).toEqual([["sysctl", RANGE, "40000 40499", "40000 65535"]]);
  });

  it("are added below the range as far as needed", () => {
    expect(brief(plan({ portRange: narrow }, { connections: 30_000 }))).toEqual([
      ["sysctl", RANGE, "40000 40499", "34816 65535"],
    ]);
  });

  it("with listeners are reserved before the range includes them, in addition to those already reserved", () => {
    const { changes } = plan({
      portRange: narrow,
      reservedPorts: [
        { first: 8080, last: 8080 },
        { first: 41_000, last: 41_005 },
      ],
      listeningPorts: [22, 50_000, 41_003, 41_006, 50_000],
    });
    expect(changes).toMatchObject([
      {
        name: RESERVED,
        from: "8080,41000-41005",
        to: "8080,41000-41006,50000",
        why: expect.stringMatching(/41006, 50000/),
      },
      { name: RANGE, requires: RESERVED },
    ]);
  });

  it("of UDP services in the wider range are reserved too, but not those of UDP clients in the old range", () => {
    const { changes } = plan({ portRange: narrow }, {}, { udpPorts: [53, 51_820, 40_100] });
    expect(changes).toMatchObject([
      { name: RESERVED, from: "", to: "51820" },
      { name: RANGE, to: "40000 65535" },
    ]);
  });

  it("start at an even port if the last is odd, as the kernel prefers", () => {
    expect(brief(plan({ portRange: { first: 40_001, last: 40_499 } }))).toMatchObject([
      ["sysctl", RANGE, "40001 40499", "40000 65535"],
    ]);
  });

  it("never start where a privilege is needed", () => {
    const found = plan({ portRange: narrow, unprivilegedPortStart: 20_000 }, { connections: 60_000 });
    expect(brief(found).slice(0, 2)).toEqual([
      ["sysctl", RANGE, "40000 40499", "20000 65535"],
      ["advice", "source addresses × ports", "chosen by the kernel", undefined],
    ]);
  });

  it("that are reserved stay reserved: more addresses are the advice", () => {
    const portRange = { first: 1024, last: 65_535 };
    const { changes } = plan({ portRange, reservedPorts: [{ first: 2000, last: 60_000 }] });
    expect(changes).toMatchObject([{ kind: "advice", name: "source addresses × ports", to: undefined }]);
  });
});

describe("unreadable settings", () => {
  it.each([[RANGE], [RESERVED]])("%s: is unknown, and nothing is proposed", (name) => {
    const found = plan({ portRange: { first: 40_000, last: 40_499 } }, {}, { without: [name] });
    expect(found).toMatchObject({ changes: [], unknown: [name] });
  });

  it("make their limits unknown too", () => {
    const found = plan({ epollWatches: undefined }, serverOf(1000));
    expect(found).toMatchObject({ changes: [], unknown: ["epoll-watches"] });
  });
});

const port = fc.integer({ min: 1, max: 65_535 });
const range = fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const host = fc.record({
  portRange: range,
  // Sorted and merged, as the kernel returns them.
  reservedPorts: fc
    .array(range, { maxLength: 5 })
    .map((ranges) => rangesOf(normalise(RESERVED, ranges.map(({ first, last }) => `${first}-${last}`).join(",")))),
  listeningPorts: fc.array(port, { maxLength: 20 }),
  unprivilegedPortStart: fc.constantFrom(0, 1024, 30_000),
  nofile: fc.integer({ min: 64, max: 2 ** 20 }).map((hard) => ({ soft: hard, hard })),
  nrOpen: fc.integer({ min: 1024, max: 2 ** 22 }),
  fileMax: fc.integer({ min: 2000, max: 2 ** 24 }),
  epollWatches: fc.integer({ min: 10, max: 2 ** 24 }),
  somaxconn: fc.integer({ min: 1, max: 8192 }),
  synBacklog: fc.integer({ min: 1, max: 8192 }),
  syncookies: fc.constantFrom(0, 1),
  threadsMax: fc.integer({ min: 10, max: 2 ** 20 }),
  canUnshare: fc.boolean(),
  tcpMem: fc.tuple(fc.nat(1e6), fc.nat(1e6), fc.nat(1e6)).map((pages) => [...pages].sort((a, b) => a - b)),
  conntrack: fc.record({
    count: fc.nat(1000),
    max: fc.integer({ min: 1, max: 2 ** 22 }),
    buckets: fc.integer({ min: 1, max: 2 ** 20 }),
  }),
  isTracked: fc.boolean(),
});
const load = fc.record({
  connections: fc.integer({ min: 1, max: 4_000_000 }),
  role: fc.constantFrom("client" as const, "both" as const),
  messageRatePerSec: fc.constantFrom(0, 1),
});

describe("for any host and load", () => {
  const forAll = (check: (found: FixPlan, facts: HostFacts, wanted: Load) => void) =>
    fc.assert(
      fc.property(host, load, (facts, wanted) => {
        check(plan(facts, wanted), hostFacts(facts), clientLoad(wanted));
      }),
    );
  const named = ({ changes }: FixPlan, name: string) => changes.findIndex((change) => change.name === name);

  it("no number is lowered, and every change changes something", () => {
    forAll(({ changes }) => {
      for (const { kind, name, from, to } of changes) {
        if (kind === "advice" || name === RESERVED) continue;
        const before = from!.split(" ").map(Number);
        const after = to!.split(" ").map(Number);
        // Lowering the first port of the range adds ports.
        const gains = after.map((value, i) => (name === RANGE && i === 0 ? before[i]! - value : value - before[i]!));
        expect(
          gains.every((gain) => gain >= 0),
          `${name}: ${from} to ${to}`,
        ).toBe(true);
        expect(
          gains.some((gain) => gain > 0),
          `${name}: ${from} to ${to}`,
        ).toBe(true);
        if (name === "net.ipv4.tcp_mem") expect([...after].sort((a, b) => a - b)).toEqual(after);
      }
    });
  });

  it("reserved ports stay reserved, and all listeners inside the range are reserved before it is widened", () => {
    forAll((found, facts) => {
      const at = named(found, RANGE);
      if (at < 0) return expect(named(found, RESERVED)).toBe(-1);
      const [first, last] = found.changes[at]!.to!.split(" ").map(Number) as [number, number];
      const reservedAt = named(found, RESERVED);
      const before = parsePortList(settingsOf(facts).get(RESERVED)!);
      const after = reservedAt < 0 ? before : parsePortList(found.changes[reservedAt]!.to!);
      expect(before.findIndex((bit, number) => bit > after[number]!)).toBe(-1);
      for (const listening of facts.listeningPorts) {
        if (listening >= first && listening <= last) expect(after[listening], `listener ${listening}`).toBe(1);
      }
      expect(reservedAt).toBeLessThan(at);
    });
  });

  it("a setting that limits another comes before it", () => {
    forAll((found) => {
      for (const [earlier, later] of [
        ["fs.nr_open", "RLIMIT_NOFILE"],
        ["net.netfilter.nf_conntrack_buckets", "net.netfilter.nf_conntrack_max"],
      ] as const) {
        if (named(found, earlier) >= 0 && named(found, later) >= 0) {
          expect(named(found, earlier)).toBeLessThan(named(found, later));
        }
      }
    });
  });

  it("once made, no sysctl is proposed again", () => {
    forAll((found, facts, wanted) => {
      const after = applied(facts, found.changes);
      const again = planChanges({ facts: after, load: wanted, obstacle: undefined }, readerOf(settingsOf(after)));
      expect(again.changes.filter(({ kind }) => kind !== "advice")).toEqual([]);
      // The changes must meet their purpose, except where only advice is possible.
      const low = predict({ facts: after, load: wanted, obstacle: undefined }).limits.filter(
        ({ verdict }) => verdict === "insufficient",
      );
      const advised = again.changes.map(({ limitId }) => limitId);
      // If no range has enough ports, the advice is to add addresses.
      const adviceOn = (id: string) => (id.startsWith("ip-local-") ? "source-ports" : id);
      for (const { id } of low) expect(advised).toContain(adviceOn(id));
    });
  });
});

/** Returns the facts of the host after its changes. */
function applied(facts: HostFacts, changes: readonly Change[]): HostFacts {
  let after = facts;
  for (const { name, to } of changes) {
    const numbers = (to ?? "").split(" ").map(Number);
    const [first = 0, last = 0] = numbers;
    if (name === "RLIMIT_NOFILE") after = { ...after, nofile: { soft: first, hard: first } };
    if (name === "fs.nr_open") after = { ...after, nrOpen: first };
    if (name === "fs.file-max") after = { ...after, fileMax: first };
    if (name === "fs.epoll.max_user_watches") after = { ...after, epollWatches: first };
    if (name === "kernel.threads-max") after = { ...after, threadsMax: first };
    if (name === "net.core.somaxconn") after = { ...after, somaxconn: first };
    if (name === "net.ipv4.tcp_max_syn_backlog") after = { ...after, synBacklog: first };
    if (name === "net.ipv4.tcp_mem") after = { ...after, tcpMem: numbers };
    if (name === RANGE) after = { ...after, portRange: { first, last } };
    if (name === RESERVED) after = { ...after, reservedPorts: rangesOf(to!) };
    const { conntrack } = after;
    if (name === "net.netfilter.nf_conntrack_max") after = { ...after, conntrack: { ...conntrack!, max: first } };
    if (name === "net.netfilter.nf_conntrack_buckets")
      after = { ...after, conntrack: { ...conntrack!, buckets: first } };
  }
  return after;
}

function rangesOf(text: string): PortRange[] {
  const parts = text.split(",").filter((part) => part !== "");
  return parts.map((part) => {
    const [first, last = first] = part.split("-").map(Number) as [number, number?];
    return { first, last };
  });
}

describe("values", () => {
  it.each([
    [RANGE, "32768\t60999", "32768 60999", true],
    [RANGE, "32768\t60999", "32768 61000", false],
    [RESERVED, "8080,8081,9000-9002", "9000,9001,9002,8080-8081", true],
    [RESERVED, "", "", true],
    [RESERVED, "8080", "", false],
  ])("of %s: %j and %j are the same: %s", (name, a, b, same) => {
    expect(isSameValue(name, a, b)).toBe(same);
  });
});
