// Tests the text of `fourtuple ports`: the headline, misses, and the reasons why a reading is incomplete.

import { describe, expect, it } from "vitest";
import { nothingText } from "../../../../src/output/text/ports/headline.js";
import { pressureText } from "../../../../src/output/text/ports/pressure.js";
import { hasSockets, overflows, overviewText, portText, readNote } from "../../../../src/output/text/ports/summary.js";
import { listenerTable, ownersNote } from "../../../../src/output/text/ports/tables.js";
import type { Pressure } from "../../../../src/results/sockets/pressure.js";
import type { SocketTable } from "../../../../src/results/sockets/socket-table.js";

const none = { distinct: 0, top: [] };
const EMPTY: SocketTable = {
  kind: "sockets",
  version: 1,
  takenAt: "2031-02-03T04:05:06.000Z",
  elapsedMs: 12,
  source: "sock_diag",
  fallbackErrno: undefined,
  wasInterrupted: false,
  sockets: 0,
  byFamily: { ipv4: 0, ipv6: 0, mapped: 0 },
  byState: {},
  byLocalPort: none,
  byLocalAddress: none,
  byPeer: none,
  accepted: none,
  byDestination: none,
  incoming: 0,
  outgoing: 0,
  listeners: [],
  counters: { listenOverflows: 0, listenDrops: 0 },
  memory: undefined,
};
const LISTENER = {
  ip: "0.0.0.0",
  port: 7777,
  family: 4,
  acceptQueue: { used: 3, limit: 4096 },
  uid: 0,
  inode: 1,
  isV6Only: false,
  established: 1_000_000,
  sharedBy: 1,
} as const;
const SERVER: SocketTable = {
  ...EMPTY,
  sockets: 1_000_001,
  byState: { LISTEN: 1, ESTABLISHED: 1_000_000 },
  byPeer: { distinct: 20, top: [{ ip: "10.0.0.2", sockets: 64_512 }] },
  accepted: {
    distinct: 1,
    top: [{ ip: "10.0.0.1", port: 7777, sockets: 1_000_000, established: 1_000_000, peers: 20 }],
  },
  incoming: 1_000_000,
  listeners: [LISTENER],
};
const PORT = { ip: undefined, name: "7777", port: "7777" };
const TOP = { top: 10 };

const destination = (ip: string, port: number, established: number) => ({
  ip,
  port,
  sockets: established,
  established,
  timeWait: 0,
  sources: 1,
});

function firstLine(text: string): string {
  return text.split("\n")[0]!;
}

describe("portText()", () => {
  it("proves the blog post's point with figures", () => {
    const text = portText(PORT, { local: SERVER, remote: EMPTY }, TOP);
    expect(firstLine(text)).toBe(
      "1,000,000 ESTABLISHED sockets share local port 7777; they come from 20 addresses; accept() used no other port",
    );
    expect(text).toContain("0.0.0.0:7777, accept queue 3 of 4,096, uid 0");
    expect(text).toContain("and 19 more");
  });

  it("uses the singular for one socket", () => {
    const one = {
      ...SERVER,
      byPeer: { distinct: 1, top: [] },
      accepted: { distinct: 1, top: [{ ip: "10.0.0.1", port: 7777, sockets: 1, established: 1, peers: 1 }] },
    };
    expect(firstLine(portText({ ...PORT, ip: "10.0.0.1" }, { local: one, remote: EMPTY }, TOP))).toBe(
      "1 ESTABLISHED socket has local port 7777 of 10.0.0.1; it comes from 1 address; accept() used no other port",
    );
  });

  it("says who connects to a port of another host", () => {
    const remote = {
      ...EMPTY,
      sockets: 5,
      byState: { ESTABLISHED: 5 },
      outgoing: 5,
      byLocalAddress: { distinct: 2, top: [{ ip: "10.0.0.8", sockets: 3 }] },
      byDestination: { distinct: 1, top: [destination("10.0.0.9", 5432, 5)] },
    };
    const name = { ip: "10.0.0.9", name: "10.0.0.9:5432", port: "5432" };
    expect(firstLine(portText(name, { local: EMPTY, remote }, TOP))).toBe(
      "5 ESTABLISHED sockets of this host lead to 10.0.0.9:5432, from 2 local addresses; each uses a local port",
    );
  });

  it("says if a port has only a listener, or no listener any more", () => {
    const idle = { ...EMPTY, sockets: 1, byState: { LISTEN: 1 }, listeners: [LISTENER] };
    expect(firstLine(portText(PORT, { local: idle, remote: EMPTY }, TOP))).toBe(
      "local port 7777 has a listener but no ESTABLISHED connection",
    );
    const left = { ...EMPTY, sockets: 2, byState: { TIME_WAIT: 2 } };
    expect(firstLine(portText(PORT, { local: left, remote: EMPTY }, TOP))).toBe(
      "2 sockets with local port 7777, and nothing listens on it",
    );
    expect(hasSockets({ local: EMPTY, remote: EMPTY })).toBe(false);
  });

  it("does not silently count a socket twice if the port is also a source port", () => {
    const local = { ...SERVER, outgoing: 2, byState: { ESTABLISHED: 1_000_002 } };
    const text = portText(PORT, { local, remote: EMPTY }, TOP);
    expect(firstLine(text)).toMatch(/^1,000,000 ESTABLISHED/);
    expect(text).toContain(
      "1,000,002 ESTABLISHED (including 2 opened from here, using this port as their source port)",
    );
  });

  it("says that accept() used no other port only if the reading proves it", () => {
    const clause = "; accept() used no other port";
    const headlineOf = (local: SocketTable, remote: SocketTable = EMPTY, port = PORT) =>
      firstLine(portText(port, { local, remote }, TOP));
    const seen = (established: number) => ({
      ...EMPTY,
      outgoing: established,
      byDestination: { distinct: 1, top: [destination("10.0.0.1", 7777, established)] },
    });
    // Both ends are on this host. Each client's end has its accepted socket on that port, or one of them does not.
    expect(headlineOf(SERVER, seen(1_000_000))).toContain(clause);
    expect(headlineOf(SERVER, seen(1_000_001))).not.toContain(clause);
    const range = { ip: undefined, name: "7777-7779", port: "7777-7779" };
    const [first] = SERVER.accepted.top;
    const two = { ...SERVER, accepted: { distinct: 2, top: [first!, { ...first!, port: 7779, established: 4 }] } };
    expect(headlineOf(two, EMPTY, range)).toBe(
      "1,000,004 ESTABLISHED sockets share 2 of local ports 7777-7779; they come from 20 addresses",
    );
  });

  it("distinguishes a client's port from a server's", () => {
    const client = {
      ...EMPTY,
      sockets: 1,
      outgoing: 1,
      byState: { ESTABLISHED: 1 },
      byDestination: { distinct: 1, top: [destination("10.0.0.9", 5432, 1)] },
    };
    const [first] = SERVER.accepted.top;
    const accepted = { ...SERVER, sockets: 1, incoming: 1, byState: { ESTABLISHED: 1 }, listeners: [] };
    const remote = { ...accepted, accepted: { distinct: 1, top: [{ ...first!, established: 1 }] } };
    const port = { ip: undefined, name: "32917", port: "32917" };
    const text = portText(port, { local: client, remote }, TOP);
    expect(firstLine(text)).toBe("1 ESTABLISHED socket has local port 32917, and nothing listens on it");
    expect(text).toMatch(/accepted here +1 ESTABLISHED, from peers that use this port as their source port/);
    expect(text).not.toContain("one local port per connection");
    // The listener on the port has another address, so this socket does not belong to it.
    const besides = { ...client, sockets: 2, listeners: [LISTENER] };
    expect(firstLine(portText(port, { local: besides, remote: EMPTY }, TOP))).toBe(
      "1 ESTABLISHED socket has local port 32917 as its source port",
    );
    expect(firstLine(portText(port, { local: EMPTY, remote }, TOP))).toBe(
      "1 socket accepted here, with the peer's port 32917",
    );
  });

  it("describes the sockets that match the filter, not the whole port", () => {
    const filter = { states: ["TIME_WAIT"] } as const;
    const waiting = { ...EMPTY, sockets: 2, byState: { TIME_WAIT: 2 }, outgoing: 2 };
    const text = portText(PORT, { local: { ...EMPTY, listeners: [LISTENER] }, remote: waiting }, { ...TOP, filter });
    expect(firstLine(text)).toBe("2 TCP sockets of this host in TIME_WAIT have port 7777 at one end");
    expect(text).toContain("no socket of this host in TIME_WAIT has it");
    expect(text).not.toContain("ESTABLISHED");
    const ofPeer = portText(PORT, { local: SERVER, remote: EMPTY }, { ...TOP, filter: { remoteIp: "10.0.0.2" } });
    expect(firstLine(ofPeer)).toMatch(/^1,000,000 ESTABLISHED sockets with the peer 10.0.0.2 share local port 7777;/);
    // A listener that the filter excludes does not count as a match.
    expect(hasSockets({ local: { ...EMPTY, listeners: [LISTENER] }, remote: EMPTY })).toBe(false);
  });

  it("has the memory of both sides, and mentions what it omits", () => {
    const memory = (chargedBytes: number, sockets: number) => ({
      chargedBytes,
      receiveAllocBytes: 0,
      sendQueuedBytes: 0,
      forwardAllocBytes: 0,
      sockets,
      maxChargedBytes: chargedBytes,
    });
    const local = { ...SERVER, memory: memory(0, 2) };
    const text = portText(PORT, { local, remote: { ...EMPTY, sockets: 2, memory: memory(4096, 2) } }, TOP);
    expect(text).toMatch(/ {2}memory +0 B of buffers per socket/);
    expect(text).toMatch(/clients' memory +2.00 KiB of buffers per socket, 4.00 KiB at most/);
    expect(text).toContain("plus about 4 KB each for the socket, its inode and its file");
  });

  it("admits what it may not see", () => {
    const owners = {
      source: "sock_diag",
      owners: [],
      notVisible: 12,
      kernelOwned: 3,
      unreadable: 40,
      isHiding: false,
      groups: [],
      ringHolders: [],
    } as const;
    const text = portText(PORT, { local: SERVER, remote: EMPTY }, { ...TOP, owners });
    expect(text).toContain("12 sockets without a visible owner; 3 owned by the kernel");
    expect(text).toContain("40 processes cannot be inspected: run as root to see all");
  });
});

describe("overviewText()", () => {
  it("starts with the states, most frequent first, and shows rates with --watch", () => {
    const text = overviewText(SERVER, { ...TOP, rates: { openedPerSec: 1200.4, closedPerSec: 0 } });
    expect(firstLine(text)).toBe("1,000,001 TCP sockets: 1,000,000 ESTABLISHED, 1 LISTEN");
    expect(text).toContain("sockets opened 1,200/s, closed 0/s");
    expect(text).toMatch(/0\.0\.0\.0:7777 +3 +4,096 +1,000,000 +0/);
  });
});

describe("listenerTable()", () => {
  it("shows a figure shared by SO_REUSEPORT listeners once", () => {
    const shared = { ...LISTENER, established: 40, sharedBy: 2 };
    const lines = listenerTable([shared, { ...LISTENER, port: 1, established: 7 }, shared], 10, (_, text) => text);
    expect(lines.slice(2).map((line) => line.trim().split(/\s+/)[3])).toEqual(["40", "shared", "7"]);
  });
});

describe("pressureText()", () => {
  it("marks destinations above 80%", () => {
    const pressure: Pressure = {
      ...EMPTY,
      kind: "pressure",
      portRange: { first: 32_768, last: 60_999 },
      reservedPorts: 0,
      listeningPorts: 1,
      kernelCapacity: 28_231,
      outgoing: 28_000,
      distinct: 1,
      marked: 1,
      rows: [
        {
          sourceIp: "10.0.0.8",
          destinationIp: "10.0.0.9",
          destinationPort: 443,
          inUse: 28_000,
          timeWait: 9000,
          outsideRange: 0,
          pool: "ip_local_port_range",
          capacity: 28_231,
          left: 231,
          share: 0.992,
          isMarked: true,
        },
      ],
    };
    const text = pressureText(pressure, 10, (tone, words) => (tone === "bad" ? `!${words}` : words));
    expect(text).toMatch(/^!1 destination uses more than 80% of the source ports: /);
    expect(text).toMatch(/^! +10\.0\.0\.8 → 10\.0\.0\.9:443 +28,000 +9,000 +28,231 +231 +99%$/m);
  });
});

describe("missing sockets and values", () => {
  it("are reported with the filter", () => {
    expect(nothingText("port 9")).toBe("no TCP socket of this host has port 9 at either end");
    expect(nothingText("port 9", { states: ["TIME_WAIT", "CLOSE_WAIT"], remoteIp: "10.0.0.1" })).toBe(
      "no TCP socket of this host in TIME_WAIT or CLOSE_WAIT with the peer 10.0.0.1 has port 9 at either end",
    );
    expect(nothingText("port 9", { family: 4 })).toBe(
      "no IPv4 TCP socket of this host has port 9 at either end (IPv4-mapped sockets belong to IPv6)",
    );
    expect(nothingText(undefined, { states: ["SYN_SENT"] })).toBe("there is no TCP socket of this host in SYN_SENT");
  });

  it("are not invented: unreadable counters, rates before the second reading", () => {
    const unknown = { listenOverflows: undefined, listenDrops: undefined };
    expect(overflows({ counters: unknown })).toBeUndefined();
    const text = overviewText({ ...SERVER, counters: unknown }, { ...TOP, rates: undefined });
    expect(text).not.toMatch(/overflows|changes/);
  });
});

describe("ownersNote()", () => {
  it("explains why an owner may be missing", () => {
    expect(ownersNote({ unreadable: 0, isHiding: false })).toBeUndefined();
    expect(ownersNote({ unreadable: 1, isHiding: false })).toBe(
      "1 process cannot be inspected: run as root to see all",
    );
    expect(ownersNote({ unreadable: 0, isHiding: true })).toMatch(/hidepid.*run as root/);
  });
});

describe("readNote()", () => {
  it("explains why netlink was not used, and reports a changing table", () => {
    expect(readNote({ fallbackErrno: "EPERM", wasInterrupted: false })).toMatch(/netlink is unavailable \(EPERM\)/);
    expect(readNote({ fallbackErrno: undefined, wasInterrupted: true })).toMatch(/NLM_F_DUMP_INTR/);
    expect(readNote({ fallbackErrno: undefined, wasInterrupted: false })).toBeUndefined();
  });
});
