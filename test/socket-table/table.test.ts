import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { forEachSocket, stateMask } from "../../src/socket-table/table.js";
import { parseIp } from "../../src/util/address.js";
import { canUseBpf } from "../support/bpf.js";
import { ROOT } from "../support/library.js";
import { canMakeNamespaces, makeNamespace } from "../support/namespace.js";
import { connectForeign, startForeignServer } from "../support/peers.js";
import { start } from "../support/process.js";

interface Read {
  readonly source: string;
  readonly sockets: number;
  readonly rows: string[];
}
interface Kinds {
  readonly results: { readonly query: string; readonly diag: Read; readonly proc: Read; readonly bpf?: Read }[];
  readonly ss: string;
}

const SS_STATES: Record<string, string> = {
  ESTAB: "ESTABLISHED",
  "SYN-SENT": "SYN_SENT",
  "SYN-RECV": "SYN_RECV",
  "FIN-WAIT-2": "FIN_WAIT2",
  "TIME-WAIT": "TIME_WAIT",
  "CLOSE-WAIT": "CLOSE_WAIT",
  LISTEN: "LISTEN",
};

/** Converts a line of `ss -Htane` to a row in the test's format, without the family. */
function fromSs(line: string): string {
  const [state, receiveQueue, sendQueue, local, remote] = line.trim().split(/\s+/) as [string, ...string[]];
  const end = (text: string) => {
    const at = text.lastIndexOf(":");
    const ip = text
      .slice(0, at)
      .replace(/^\[|\]$/g, "")
      .replace(/^::ffff:/, "")
      .replace(/^\*$/, "::");
    return `${ip} ${text.slice(at + 1).replace("*", "0")}`;
  };
  const limit = state === "LISTEN" ? "" : sendQueue;
  const inode = /\bino:(\d+)/.exec(line)?.[1] ?? "0";
  return `${SS_STATES[state]} ${end(local!)} ${end(remote!)} ${receiveQueue} ${limit} ${inode} 0`;
}

describe.skipIf(!canMakeNamespaces())("sockets of every kind, in their own namespace", () => {
  it("are the same from sock_diag, from /proc, from BPF and in ss, row by row", async () => {
    const program = fileURLToPath(new URL("../support/programs/socket-kinds.mjs", import.meta.url));
    const hasBpf = canUseBpf();
    const options = JSON.stringify({ dist: `${ROOT}dist`, hasBpf });
    const made = start("ip", ["netns", "exec", makeNamespace(), process.execPath, program, options]);
    const { code, stdout, stderr } = await made.exited(50_000);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const { results, ss } = JSON.parse(stdout) as Kinds;
    // BPF reads nothing but states and endpoints of connections.
    const known = (row: string) => (row.includes(" LISTEN ") ? row : row.split(" ").slice(0, 6).join(" "));
    for (const { query, diag, proc, bpf } of results) {
      if (hasBpf) expect(bpf!.rows.map(known), query).toEqual(diag.rows.map(known).sort());
      if (hasBpf) expect(bpf!.source).toBe("bpf");
      expect(diag.source).toBe("sock_diag");
      expect(proc.source).toBe("/proc/net/tcp");
      expect(proc.rows, query).toEqual(diag.rows);
      expect(diag.rows.length, query).toBeGreaterThan(0);
      expect(diag.sockets).toBe(diag.rows.length);
    }
    const all = results[0]!.diag.rows;
    const states = new Set(all.map((row) => row.split(" ").slice(0, 2).join(" ")));
    for (const family of [4, 6]) {
      for (const state of Object.values(SS_STATES)) expect(states).toContain(`${family} ${state}`);
    }
    // The rows of ss do not distinguish an IPv4-mapped socket from an IPv4 one.
    expect(all.map((row) => row.slice(2)).sort()).toEqual(ss.trim().split("\n").map(fromSs).sort());
    // IPv4-mapped sockets are IPv6 sockets with IPv4 addresses.
    expect(all.filter((row) => /^6 ESTABLISHED 127\.0\.0\.1 1003/.test(row))).toHaveLength(1);
  });
});

it("passes one view object, and ends when the visitor says so", async () => {
  const server = await startForeignServer();
  for (let i = 0; i < 3; i++) await connectForeign(server);
  const seen = new Set<object>();
  let visits = 0;
  const local = {
    ports: [{ first: server.port, last: server.port }],
    addresses: [{ first: parseIp(server.ip), count: 1 }],
  };
  const query = { local, states: stateMask(["ESTABLISHED"]) };
  const all = await forEachSocket(query, (socket) => seen.add(socket));
  expect([seen.size, all.sockets, all.source, all.wasInterrupted]).toEqual([1, 3, "sock_diag", false]);
  for (const source of ["sock_diag", "/proc/net/tcp"] as const) {
    visits = 0;
    const some = await forEachSocket({ ...query, source }, () => ++visits < 2);
    expect([visits, some.sockets]).toEqual([2, 2]);
  }
});

it("tests addresses itself if they are too many for the kernel's bytecode", async () => {
  const server = await startForeignServer();
  await connectForeign(server);
  const [a, b, c, d] = server.ip.split(".").map(Number);
  const own = { first: { family: 4, bytes: Uint8Array.of(a!, b!, c!, d!) }, count: 1 } as const;
  // Take every other address, so that no two can be merged.
  const others = Array.from({ length: 6000 }, (_, i) => ({
    first: { family: 4 as const, bytes: Uint8Array.of(10, i >>> 7, (i & 127) << 1, 1) },
    count: 1,
  }));
  const query = { states: stateMask(["ESTABLISHED"]), local: { addresses: [...others, own] } };
  for (const source of ["sock_diag", "/proc/net/tcp"] as const) {
    const ips = new Set<string>();
    const { sockets } = await forEachSocket({ ...query, source }, (socket) => ips.add(socket.localIp));
    expect([[...ips], sockets]).toEqual([[server.ip], 1]);
  }
  const without = await forEachSocket({ ...query, local: { addresses: others } }, () => true);
  expect(without.sockets).toBe(0);
});

it("leaves no descriptor open", async () => {
  const { countDescriptors } = await import("../support/kernel.js");
  await forEachSocket({ either: { ports: [{ first: 1, last: 1 }] } }, () => true);
  const before = countDescriptors();
  for (let i = 0; i < 5; i++) {
    await forEachSocket({ states: stateMask(["LISTEN"]) }, () => false);
    await forEachSocket({ states: stateMask(["LISTEN"]), source: "/proc/net/tcp" }, () => false);
  }
  expect(countDescriptors()).toBe(before);
});
