// Tests what the BPF program reads of sockets beyond their 4-tuples, against sock_diag in separate network namespaces.
import { spawnSync } from "node:child_process";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { sendBytes } from "../../src/linux/syscalls/socket.js";
import { countByOwner } from "../../src/socket-table/listeners/owner-counts.js";
import { stateMask } from "../../src/socket-table/query.js";
import { socketTable } from "../../src/socket-table/summary.js";
import type { SourceName } from "../../src/socket-table/table.js";
import { readTable } from "../../src/socket-table/table.js";
import { canUseBpf } from "../support/bpf.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { acceptMany, close, connectRaw, listenRaw } from "../support/raw-sockets.js";

const PORT = 7777;
const UNSENT = 3_000_000;
const ATTEMPTS = 20;

/** Opens connections with unread and unsent bytes, some never accepted, an orphan, and some in TIME_WAIT. */
function makeSockets(): void {
  const listener = listenRaw("127.0.0.1", PORT);
  const v6 = listenRaw("::1", PORT);
  const clients = Array.from({ length: 12 }, () => connectRaw("127.0.0.1", PORT));
  const accepted = acceptMany(listener, 12);
  connectRaw("::1", PORT);
  acceptMany(v6, 1);
  for (const [i, fd] of clients.slice(0, 4).entries()) send(fd, 1000 * (i + 1));
  for (const fd of accepted.slice(4, 6)) send(fd, UNSENT);
  // Closes first, so it enters TIME_WAIT.
  for (const i of [6, 7]) {
    close(clients[i]!);
    close(accepted[i]!);
  }
  // Neither side reads, so the client closes with unsent bytes, without a file.
  send(clients[8]!, UNSENT);
  close(clients[8]!);
  for (let i = 0; i < 3; i++) connectRaw("127.0.0.1", PORT);
}

function send(fd: number, bytes: number): void {
  const data = new NativeBuffer(bytes);
  expect(sendBytes(fd, data, 0, bytes)).toBeGreaterThan(0);
}

async function readAll(source: SourceName): Promise<Map<string, unknown>> {
  let sockets = new Map<string, unknown>();
  const read = await readTable({ source, withoutTimers: true, memory: true, states: stateMask(STATES) }, () => {
    sockets = new Map();
    return ({ localIp, localPort, remoteIp, remotePort, stateName, inode, uid, receiveQueue, sendQueue, memory }) =>
      sockets.set(`${localIp} ${localPort} ${remoteIp} ${remotePort}`, {
        ...{ stateName, inode, uid, receiveQueue, sendQueue, memory },
      });
  });
  expect(read.source).toBe(source);
  return sockets;
}

/** Reads with BPF while readings of sock_diag before and after agree, because queued bytes are acknowledged and probed. */
async function readQuietly<Figures>(read: (source: SourceName) => Promise<Figures>) {
  for (let attempt = 1; ; attempt++) {
    const before = await read("sock_diag");
    const sockets = await read("bpf");
    if (attempt === ATTEMPTS || isDeepStrictEqual(before, await read("sock_diag"))) return [sockets, before] as const;
  }
}

const STATES = ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "TIME_WAIT"] as const;

describe.skipIf(!canMakeNamespaces() || !canUseBpf())("details read with BPF", () => {
  it("are those of sock_diag: inode, user, queues and memory", async () => {
    enterNamespace();
    makeSockets();
    const [sockets, expected] = await readQuietly(readAll);
    expect(sockets).toEqual(expected);
    const rows = [...sockets.values()] as { inode: number; sendQueue: number; receiveQueue: number }[];
    expect(rows.filter(({ inode }) => inode > 0).length).toBeGreaterThan(20);
    expect(rows.filter(({ sendQueue }) => sendQueue > 100_000).length).toBeGreaterThanOrEqual(3);
    expect(rows.filter(({ receiveQueue }) => receiveQueue > 0).length).toBeGreaterThanOrEqual(4);
  });

  it("give the owners of sockets, and the same memory as ss", async () => {
    enterNamespace();
    makeSockets();
    const { source, owners, kernelOwned, notVisible } = await countByOwner({ source: "bpf" });
    expect(owners).toMatchObject([{ pid: process.pid }]);
    const { sockets } = await socketTable({ source: "sock_diag" });
    expect([source, owners[0]!.sockets + kernelOwned, notVisible]).toEqual(["bpf", sockets, 0]);
    const [bySs, expected] = await readQuietly(async (from) =>
      from === "sock_diag"
        ? sendQueuedBySs()
        : (await socketTable({ memory: true, source: from })).memory?.sendQueuedBytes,
    );
    expect(bySs).toBe(expected);
    expect(bySs).toBeGreaterThan(3 * 100_000);
  });
});

function sendQueuedBySs(): number {
  const { stdout } = spawnSync("ss", ["-Htnm", "state", "connected"], { encoding: "utf8" });
  return [...stdout.matchAll(/skmem:\(.*?,w(\d+)/g)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}
