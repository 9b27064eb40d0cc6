// Tests summaries from groups that the BPF program counted against those from sockets read one by one.
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { HashDump } from "../../src/linux/bpf/hash-dump.js";
import { PORT_BIT } from "../../src/linux/bpf/walk-groups.js";
import { Churn } from "../../src/socket-table/churn.js";
import { StateCounts } from "../../src/socket-table/listeners/accept-queues.js";
import { readOverview } from "../../src/socket-table/overview.js";
import { type PressureOptions, pressure } from "../../src/socket-table/ports/pressure.js";
import { stateMask } from "../../src/socket-table/query.js";
import { type SocketFilter, socketTable } from "../../src/socket-table/summary.js";
import { canUseBpf } from "../support/bpf.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { acceptMany, close, connectRaw, listenRaw } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

const PORT = 7777;
const RANGED = 41_000;
/** States that sockets leave by themselves, within moments. */
const SHORT_LIVED = ["SYN_SENT", "SYN_RECV", "FIN_WAIT1", "CLOSING", "LAST_ACK"] as const;

/** Returns what does not depend on the source or the time. */
function comparable({ takenAt: _, elapsedMs: __, source: ___, ...rest }: Record<string, unknown>): object {
  return rest;
}

async function readBoth(options: SocketFilter) {
  const grouped = await socketTable({ ...options, source: "bpf" });
  const each = await socketTable({ ...options, source: "sock_diag" });
  expect(grouped.source).toBe("bpf");
  return [comparable({ ...grouped }), comparable({ ...each })] as const;
}

/** Opens connections of many kinds: accepted and opened here, both families, IPv4-mapped, and some in TIME_WAIT. */
async function makeSockets(): Promise<void> {
  const listeners: number[] = [];
  const serve = (ip: string, port: number) => listeners.push(listenRaw(ip, port, { backlog: 4096 }));
  serve("127.0.0.1", PORT);
  serve("::", PORT + 1);
  serve("0.0.0.0", PORT + 2);
  serve("127.0.0.9", RANGED);
  for (let i = 0; i < 30; i++) {
    connectRaw("127.0.0.1", PORT, { ip: `127.0.${i & 3}.1` });
    connectRaw("::1", PORT + 1);
    connectRaw("127.0.0.7", PORT + 1);
    connectRaw(`127.0.1.${i}`, PORT + 2);
  }
  // Both ports are interesting: a client whose source port is the server's.
  connectRaw("127.0.0.1", PORT, { ip: "127.0.0.8", port: PORT });
  const waiting = Array.from({ length: 20 }, () => connectRaw("127.0.0.2", PORT + 2));
  // The second listener has connections of both families, the last one none.
  const accepted = [31, 60, 50, 0].map((count, i) => acceptMany(listeners[i]!, count));
  // The side that closes first enters TIME_WAIT.
  for (const fd of waiting) close(fd);
  for (const fd of accepted[2]!) close(fd);
  await settled();
}

async function settled(): Promise<void> {
  await until(
    "sockets in lasting states",
    async () => (await socketTable({ source: "sock_diag" })).byState,
    (states) => SHORT_LIVED.every((state) => states[state] === undefined),
  );
}

describe.skipIf(!canMakeNamespaces() || !canUseBpf())("groups counted by BPF", () => {
  it.each<[string, SocketFilter]>([
    ["all sockets", {}],
    ["a port", { port: PORT }],
    ["a local port", { localPort: PORT }],
    ["a remote port without a listener at this end", { remotePort: PORT + 2 }],
    ["a state", { states: ["TIME_WAIT"] }],
    ["IPv6", { family: 6 }],
    ["an address, which the program does not test", { remoteIp: "127.0.1.0/28" }],
    ["more ports than have groups of their own", { localPort: "32768-60999" }],
  ])("agree with sockets read one by one: %s", async (_, filter) => {
    enterNamespace();
    await makeSockets();
    const [grouped, each] = await readBoth(filter);
    expect(grouped).toEqual(each);
    expect((each as { sockets: number }).sockets).toBeGreaterThan(0);
  });

  it("agree for both sides of a port and the pressure, which share a reading", async () => {
    enterNamespace();
    await makeSockets();
    for (const ip of [undefined, "127.0.0.1"]) {
      const read = async (source: "bpf" | "sock_diag") => {
        const cover = { port: PORT, ip, source };
        const ends = [
          { localPort: PORT, localIp: ip },
          { remotePort: PORT, remoteIp: ip },
        ];
        const tables = ends.map((end) => ({ ...end, source, endpointTop: 100, withoutPorts: true }));
        const pressure = { ...cover, connectionsOnly: true };
        const { tables: results, pressure: ports } = await readOverview({ cover, tables, pressure });
        return [...results.map(({ byLocalPort: _, ...rest }) => comparable(rest)), comparable({ ...ports })];
      };
      expect(await read("bpf")).toEqual(await read("sock_diag"));
    }
  });

  it("agree on pools of bound ports and on states, which share a reading with the pressure", async () => {
    enterNamespace();
    await makeSockets();
    // Ports bound before connect(): two destinations of one address cannot share them.
    for (let i = 0; i < 40; i++) connectRaw("127.0.0.1", PORT + (i & 1 ? 2 : 0), { ip: "127.0.0.9" });
    await settled();
    const read = async (source: "bpf" | "sock_diag", filter: PressureOptions) => {
      const states = new StateCounts();
      const ports = await pressure({ source, ...filter }, [states]);
      expect(ports.source).toBe(source);
      return [comparable({ ...ports }), [...states.counts]] as const;
    };
    for (const filter of [{}, { remoteIp: "127.0.0.1" }]) {
      const [ports, states] = await read("bpf", filter);
      expect([ports, states]).toEqual(await read("sock_diag", filter));
      expect(ports).toMatchObject({ bound: [{ sourceIp: "127.0.0.9", destinations: 2 }] });
    }
  });

  it("agree on handshakes and on orphans, which the kernel keeps in other structures than sockets", async () => {
    enterNamespace();
    listenRaw("127.0.0.1", PORT, { defersAccept: true });
    const listener = listenRaw("::1", PORT);
    for (let i = 0; i < 12; i++) connectRaw("127.0.0.1", PORT);
    const closing = Array.from({ length: 11 }, () => connectRaw("::1", PORT));
    acceptMany(listener, 11);
    for (const fd of closing) close(fd);
    const expected = { ESTABLISHED: 12, SYN_RECV: 12, FIN_WAIT2: 11, CLOSE_WAIT: 11, LISTEN: 2 };
    const read = async (source: "bpf" | "sock_diag") => (await socketTable({ source })).byState;
    await until(
      "all states",
      () => read("sock_diag"),
      (states) => isDeepStrictEqual(states, expected),
    );
    expect(await read("bpf")).toEqual(expected);
    for (const family of [4, 6] as const) {
      const [grouped, each] = await readBoth({ family });
      expect(grouped).toEqual(each);
    }
    const states = new StateCounts();
    await pressure({ source: "bpf" }, [states]);
    const { ESTABLISHED, SYN_RECV, FIN_WAIT2, CLOSE_WAIT } = expected;
    expect([1, 3, 5, 8].map((state) => states.counts[state])).toEqual([ESTABLISHED, SYN_RECV, FIN_WAIT2, CLOSE_WAIT]);
  });

  it("agree on ports of a state, in a reading of all states", async () => {
    enterNamespace();
    await makeSockets();
    const read = async (source: "bpf" | "sock_diag") => {
      const { tables } = await readOverview({ cover: { source }, tables: [{ states: ["TIME_WAIT"], source }] });
      return tables[0]!.byLocalPort;
    };
    const ports = await read("bpf");
    expect(ports).toEqual(await read("sock_diag"));
    expect(ports.distinct).toBe(20);
  });

  it("agree on ports outside ip_local_port_range, which other connections to the same destination do not use", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.9", PORT);
    for (let i = 0; i < 30; i++)
      connectRaw("127.0.0.9", PORT, i % 3 === 0 ? { ip: "127.0.0.1", port: 2000 + i } : undefined);
    acceptMany(listener, 30);
    const read = async (source: "bpf" | "sock_diag") => {
      const cover = { remotePort: PORT, source };
      const { pressure } = await readOverview({ cover, tables: [], pressure: { ...cover, connectionsOnly: true } });
      return pressure?.rows;
    };
    const rows = await read("bpf");
    expect(rows).toEqual(await read("sock_diag"));
    expect(rows).toMatchObject([{ inUse: 30, outsideRange: 10 }]);
  });

  it("are given up if connections from here share the source port of a listener at another address", async () => {
    enterNamespace();
    const listeners = [listenRaw("127.0.0.9", RANGED), listenRaw("127.0.0.1", PORT), listenRaw("127.0.0.1", PORT + 1)];
    for (const port of [PORT, PORT + 1]) connectRaw("127.0.0.1", port, { ip: "127.0.0.5", port: RANGED });
    connectRaw("127.0.0.9", RANGED);
    for (const listener of listeners) acceptMany(listener, 1);
    const [grouped, each] = await readBoth({});
    expect(grouped).toEqual(each);
    expect(each).toMatchObject({ incoming: 3, outgoing: 3, byDestination: { distinct: 3 } });
  });

  it("leave sockets that find no place to be read one by one", async () => {
    enterNamespace();
    const peers = 1500;
    const listener = listenRaw("127.0.0.1", PORT, { backlog: 4096 });
    for (let i = 0; i < peers; i++) connectRaw("127.0.0.1", PORT, { ip: `127.1.${i >>> 8}.${i & 255}` });
    acceptMany(listener, peers);
    const dump = new HashDump({ states: stateMask(["ESTABLISHED"]), portBits: bitsFor(0) });
    let rows = 0;
    let logged = 0;
    for (let isMore = true; isMore; ) {
      isMore = dump.next(() => rows++);
      logged += dump.logged;
    }
    let sockets = 0;
    let groups = 0;
    dump.groups?.forEach((_, __, count) => {
      groups++;
      sockets += count;
    });
    dump.close();
    expect([rows + sockets, logged]).toEqual([2 * peers, 2 * peers]);
    expect(groups).toBeGreaterThan(1000);
    const [grouped, each] = await readBoth({});
    expect(grouped).toEqual(each);
  });

  it("can be taken back", () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", PORT);
    for (let i = 0; i < 20; i++) connectRaw("127.0.0.1", PORT);
    acceptMany(listener, 20);
    const dump = new HashDump({ states: stateMask(["ESTABLISHED"]), portBits: bitsFor(PORT_BIT.listening) });
    let counted = 0;
    for (let isMore = true; isMore; ) {
      isMore = dump.next(() => undefined);
      counted += dump.logged;
      dump.groups!.undo(dump.logged);
    }
    const { portEstablished, portOthers } = dump.groups!;
    expect(counted).toBe(40);
    let groups = 0;
    dump.groups!.forEach(() => {
      groups++;
    });
    expect(groups).toBe(0);
    expect(portOthers.reduce((sum, count) => sum + count, 0)).toBe(0);
    expect(portEstablished.reduce((sum, count) => sum + count, 0)).toBe(0);
    dump.close();
  });

  it("tell which connections were opened and closed between two readings", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", PORT);
    const clients = Array.from({ length: 40 }, () => connectRaw("127.0.0.1", PORT));
    const ends = [...clients, ...acceptMany(listener, 40)];
    const churn = new Churn({ either: { ports: [{ first: PORT, last: PORT }] } });
    const read = async () => {
      const cover = { port: PORT, source: "bpf" } as const;
      const startMs = performance.now();
      await readOverview({ cover, tables: [cover], churn });
      const rates = churn.rates();
      return { rates, seconds: (performance.now() - startMs) / 1000 };
    };
    expect((await read()).rates).toBeUndefined();
    expect((await read()).rates).toEqual({ openedPerSec: 0, closedPerSec: 0 });
    for (const fd of ends.slice(0, 10)) close(fd);
    for (let i = 0; i < 3; i++) connectRaw("127.0.0.1", PORT);
    acceptMany(listener, 3);
    const { rates } = await read();
    // The 10 clients and their peers, of which all leave ESTABLISHED, and both ends of three.
    expect(rates!.closedPerSec / rates!.openedPerSec).toBeCloseTo(20 / 6, 6);
  });
});

function bitsFor(bit: number): Uint8Array {
  return new Uint8Array(65_536).map((_, port) => (port === PORT ? bit : 0));
}
