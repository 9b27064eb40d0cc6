import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { readSysctlNumbers } from "../../src/linux/proc/sysctl.js";
import type { SocketTable } from "../../src/results/sockets/socket-table.js";
import { countEnds, countSockets, countSocketsWithin } from "../../src/socket-table/count.js";
import { countByOwner } from "../../src/socket-table/listeners/owner-counts.js";
import { readOwners } from "../../src/socket-table/listeners/owners.js";
import { PORT_ROLE, portFields } from "../../src/socket-table/ports/ports-in-use.js";
import { pressure } from "../../src/socket-table/ports/pressure.js";
import { sampleFourTuples } from "../../src/socket-table/sample.js";
import { socketTable } from "../../src/socket-table/summary.js";
import { parseIp } from "../../src/util/address.js";
import { ownAddress, ownPort } from "../support/address.js";
import { tcpDescriptors } from "../support/kernel.js";
import { connect } from "../support/library.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { startClient, startForeignServer, startServer } from "../support/peers.js";
import { connectRaw, listenRaw } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

const HELD = 5000;

/** Holds `count` connections from explicit ports, half of them from the server's own address and half from another. */
async function hold(count: number) {
  const server = await startServer({ at: `${ownAddress()}:${ownPort()}` });
  const { ip, port } = server.address;
  const sources = [ip, ownAddress()];
  for (const source of sources) {
    await startClient({
      to: `${ip}:${port}`,
      connections: count / 2,
      sources: [{ first: parseIp(source), count: 1 }],
      sourcePorts: { first: 1024, last: 65_535 },
      durationMs: 60_000,
      close: "rst",
    });
  }
  await until(
    `${count} connections`,
    () => server.snapshot().open,
    (open) => open === count,
  );
  return { ip, port, sources };
}

// Each reading of /proc visits every socket of the host, of which there can be many.
describe("a set of held connections", { timeout: 90_000 }, () => {
  it("has the same summary from both sources", async () => {
    const { ip, port, sources } = await hold(200);
    const filter = { ip, port, top: 3 };
    const plain = ({ takenAt: _t, elapsedMs: _e, source: _s, listeners, counters: _c, ...rest }: SocketTable) => ({
      ...rest,
      listeners: listeners.map(({ acceptQueue: _, ...row }) => row),
    });
    // /proc may show a socket twice if its neighbours in the hash table change during the reading.
    const [table, fromProc] = await until(
      "both alike",
      async () => [await socketTable(filter), await socketTable({ ...filter, source: "/proc/net/tcp" })] as const,
      ([a, b]) => isDeepStrictEqual(plain(a), plain(b)),
      60_000,
    );
    expect([table.source, fromProc.source]).toEqual(["sock_diag", "/proc/net/tcp"]);
    expect(table).toMatchObject({
      sockets: 401,
      byState: { ESTABLISHED: 400, LISTEN: 1 },
      byFamily: { ipv4: 401, ipv6: 0, mapped: 0 },
      incoming: 200,
      outgoing: 200,
      accepted: { distinct: 1, top: [{ ip, port, sockets: 200, established: 200, peers: 2 }] },
      byDestination: { distinct: 1, top: [{ ip, port, sockets: 200, established: 200, timeWait: 0, sources: 2 }] },
      memory: undefined,
    });
    expect(table.byLocalPort.top[0]).toEqual({ port, sockets: 201, established: 200, isListening: true });
    // The server's ends have two peers. The clients' ends have one peer, the server, and one source address equals it.
    expect(table.byPeer.distinct).toBe(2);
    expect(table.byPeer.top.map((row) => row.ip).sort()).toEqual([...sources].sort());
    expect(table.listeners).toMatchObject([{ ip, port, family: 4, acceptQueue: { used: 0 } }]);
    expect(table.listeners[0]!.acceptQueue.limit).toBeGreaterThan(0);
    expect(fromProc.listeners[0]!.acceptQueue.limit).toBeUndefined();
    const states = await socketTable({ localIp: ip, localPort: port, states: ["ESTABLISHED"], memory: true });
    expect(states).toMatchObject({ sockets: 200, memory: { sockets: 200 } });
    // Listeners are shown whatever states are requested.
    expect(states.listeners).toHaveLength(1);
  });

  it("shows its pressure, including explicit binds below the range", async () => {
    const { ip, port, sources } = await hold(100);
    const found = await pressure({ remoteIp: ip, remotePort: port });
    const [first, last] = readSysctlNumbers("net.ipv4.ip_local_port_range") as [number, number];
    expect(found.portRange).toEqual({ first, last });
    expect(found).toMatchObject({ outgoing: 100, distinct: 2, marked: 0 });
    expect(found.rows.map((row) => row.sourceIp).sort()).toEqual([...sources].sort());
    for (const row of found.rows) {
      expect(row).toMatchObject({ destinationIp: ip, destinationPort: port, timeWait: 0, isMarked: false });
      expect(row.left).toBe(row.capacity - row.inUse);
      expect(row.capacity).toBe(row.outsideRange > 0 ? 64_512 : found.kernelCapacity);
      expect(row.share).toBeCloseTo(row.inUse / row.capacity);
    }
    expect(found.rows.reduce((sum, { inUse }) => sum + inUse, 0)).toBe(100);
    // The server's ends take no source ports, so its side has no rows.
    expect(await pressure({ localIp: ip, localPort: port })).toMatchObject({ outgoing: 0, distinct: 0, rows: [] });
  });

  it("appears as one lit port at the server's address and a field at the clients'", async () => {
    const { ip, port, sources } = await hold(100);
    const other = sources[1]!;
    const { fields, source } = await portFields({ addresses: [ip, other].map(parseIp) });
    expect(source).toBe("sock_diag");
    const [own, client] = fields as [(typeof fields)[0], (typeof fields)[0]];
    expect([own.ip, client.ip]).toEqual([ip, other]);
    expect(own.roles[port]! & PORT_ROLE.accepted).toBe(PORT_ROLE.accepted);
    expect(own.roles[port]! & PORT_ROLE.listening).toBe(PORT_ROLE.listening);
    expect([own.sockets[port], own.acceptedPorts]).toEqual([101, 1]);
    expect(own.socketCount + client.socketCount).toBe(201);
    expect(client.connectedPorts).toBe(client.socketCount);
    expect(client.roles.filter((role) => (role & PORT_ROLE.connected) !== 0)).toHaveLength(client.connectedPorts);
    expect(own.connectedPorts + client.connectedPorts).toBe(100);
    // Filter by the server's address as well: another program may use the port as a source port.
    const end = { ports: [{ first: port, last: port }], addresses: [{ first: parseIp(ip), count: 1 }] };
    const found = await portFields({ either: end, limit: 1 });
    expect([found.fields[0]!.ip, found.fields.length, found.omittedAddresses]).toEqual([ip, 1, 1]);
  });

  it(`of ${HELD} is counted exactly while others come and go`, async () => {
    const { ip, port } = await hold(HELD);
    const churning = await startServer({ at: `${ip}:${ownPort()}` });
    const at = `${churning.address.ip}:${churning.address.port}`;
    let isOver = false;
    const churn = (async () => {
      while (!isOver) await (await connect({ to: at, connections: 500, durationMs: 1, close: "rst" })).done;
    })();
    for (let round = 0; round < 10; round++) {
      const filter = { ports: { first: port, last: port }, ips: [parseIp(ip)] };
      const [here, there] = [
        await countSockets({ end: "local", ...filter }),
        await countSockets({ end: "remote", ...filter }),
      ];
      expect([here.sockets, there.sockets]).toEqual([HELD, HELD]);
      const endpoints = { ports: [filter.ports], addresses: [{ first: parseIp(ip), count: 1 }] };
      expect(await countEnds(endpoints)).toMatchObject({ incoming: HELD, outgoing: HELD });
      const table = await socketTable({ ip, port });
      expect([table.incoming, table.outgoing]).toEqual([HELD, HELD]);
    }
    isOver = true;
    await churn;
  });
});

describe("owners", () => {
  it("are this process and its threads, for their own sockets", async () => {
    const { port } = await startForeignServer();
    const inode = Number(/\d+/.exec(tcpDescriptors()[0]!)![0]);
    const index = await readOwners();
    expect(index.ownerOf(inode)).toMatchObject({ pid: process.pid, command: expect.any(String) });
    expect(index.ownerOf(0)).toBeUndefined();
    const { owners } = await countByOwner({ local: { ports: [{ first: port, last: port }] } });
    expect(owners).toContainEqual(expect.objectContaining({ pid: process.pid, listening: 1 }));
  });

  it("are found if threads have their own descriptor tables", async () => {
    const { ip, port } = await hold(50);
    const end = { ports: [{ first: port, last: port }], addresses: [{ first: parseIp(ip), count: 1 }] };
    const { owners, notVisible } = await countByOwner({ either: end });
    expect(notVisible).toBe(0);
    expect(owners).toMatchObject([{ pid: process.pid, sockets: 101, established: 100, listening: 1 }]);
  });
});

it("counting gives up after a timeout", async () => {
  const ports = { first: 1, last: 65_535 };
  expect(await countSocketsWithin({ end: "local", ports }, 10_000)).toMatchObject({ source: "sock_diag" });
  const server = await hold(2000);
  const filter = { end: "local", ports: { first: server.port, last: server.port } } as const;
  expect(await countSocketsWithin(filter, -1)).toBeUndefined();
});

it.skipIf(!canMakeNamespaces())(
  "samples connections from the client's perspective, with different sources first",
  () => {
    // Use a namespace to keep the table small: only the beginning of a large table is read.
    enterNamespace();
    listenRaw("127.0.0.1", 1001);
    for (const ip of ["127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.3"]) connectRaw("127.0.0.1", 1001, { ip });
    const destination = { destinationIp: "127.0.0.1", destinationPort: 1001 };
    const tuples = sampleFourTuples(1001, 2);
    expect(tuples.map(({ sourceIp }) => sourceIp).sort()).toEqual(["127.0.0.2", "127.0.0.3"]);
    for (const tuple of tuples) expect(tuple).toMatchObject({ ...destination, sourcePort: expect.any(Number) });
    expect(sampleFourTuples(1001, 9)).toHaveLength(4);
    expect(sampleFourTuples(1002, 9)).toEqual([]);
  },
);

it.skipIf(!canMakeNamespaces())("ranks equal rows the same from both sources", async () => {
  enterNamespace();
  listenRaw("::", 1001);
  const ips = ["127.0.0.9", "127.0.0.2", "127.0.0.30", "127.0.0.4", "127.0.0.11"];
  for (const ip of ips) connectRaw("127.0.0.1", 1001, { ip });
  connectRaw("::1", 1001);
  const rankings = async (source: "sock_diag" | "/proc/net/tcp") => {
    const { byPeer, byLocalAddress, accepted, byDestination } = await socketTable({ top: 4, source });
    return { byPeer, byLocalAddress, accepted, byDestination, rows: (await pressure({ top: 4, source })).rows };
  };
  const found = await rankings("sock_diag");
  expect(found).toEqual(await rankings("/proc/net/tcp"));
  expect(found.byPeer.top.map(({ ip }) => ip)).toEqual(["127.0.0.1", "::1", "127.0.0.2", "127.0.0.4"]);
  expect(found.rows.map(({ sourceIp }) => sourceIp)).toEqual(["127.0.0.2", "127.0.0.4", "127.0.0.9", "127.0.0.11"]);
});
