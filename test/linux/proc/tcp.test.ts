import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, onTestFinished } from "vitest";
import { DiagSocket } from "../../../src/linux/netlink/diag-socket.js";
import { ProcTcpDump } from "../../../src/linux/proc/tcp.js";
import { localAddress } from "../../../src/linux/syscalls/socket.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";

const folder = mkdtempSync(join(tmpdir(), "proc-tcp-"));
afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
// Captured on Linux 6.18.
const V4 =
  "   0: 0900007F:9C41 0100007F:1E61 01 00000007:0000002A 00:00000000 00000000  1000        0 44117986 1 000000008822f592 20 0 0 10 -1                  \n";
const V6 =
  "   0: 00000000000000000000000000000000:1E61 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 44117899 1 00000000740443d3 100 0 0 10 0\n" +
  "   1: 0000000000000000FFFF00000100007F:1E61 B80D0120000000000000000001000000:9C41 06 00000000:00000000 03:00000D3A 00000000     0        0 0 3 000000000d6281f5\n";

function read(text: string, isV6 = false): string[] {
  const path = join(folder, "table");
  writeFileSync(path, text);
  const dump = new ProcTcpDump(path, isV6);
  const socket = new DiagSocket(dump.bytes);
  const rows: string[] = [];
  const visit = (offset: number, end: number) => {
    const { family, stateName, localIp, localPort, remoteIp, remotePort } = socket.move(offset, end);
    const { inode, uid, receiveQueue, sendQueue } = socket;
    const ends = `${localIp} ${localPort} ${remoteIp} ${remotePort}`;
    rows.push(`${family} ${stateName} ${ends} ${inode} ${uid} ${receiveQueue} ${sendQueue}`);
  };
  while (dump.next(visit));
  dump.close();
  return rows;
}

it("reads rows captured from a kernel", () => {
  expect(read(HEAD + V4)).toEqual(["4 ESTABLISHED 127.0.0.9 40001 127.0.0.1 7777 44117986 1000 42 7"]);
  expect(read(HEAD + V6, true)).toEqual([
    "6 LISTEN :: 7777 :: 0 44117899 0 0 0",
    "6 TIME_WAIT 127.0.0.1 7777 2001:db8::1 40001 0 0 0 0",
  ]);
});

it("reads which timer is active, and when it fires, in clock ticks of 10 ms", () => {
  const path = join(folder, "timers");
  writeFileSync(path, HEAD + V6);
  const dump = new ProcTcpDump(path, true);
  const socket = new DiagSocket(dump.bytes);
  const timers: number[][] = [];
  const visit = (offset: number, end: number) => {
    const { timer, timerMs, inode } = socket.move(offset, end);
    timers.push([timer, timerMs, inode]);
  };
  while (dump.next(visit));
  dump.close();
  expect(timers).toEqual([
    [0, 0, 44117899],
    [3, 0xd3a * 10, 0],
  ]);
});

it("returns no send queue for a LISTEN socket, where /proc shows something else", () => {
  const row = V6.split("\n")[0]!.replace("00000000:00000000 00:", "00000009:00000003 00:");
  expect(read(`${HEAD}${row}\n`, true)).toEqual(["6 LISTEN :: 7777 :: 0 44117899 0 3 0"]);
});

it("ignores incomplete rows, and ends when the visitor says so", () => {
  expect(read(`${HEAD}   0: 0900007F\n${V4}`)).toHaveLength(1);
  const path = join(folder, "three");
  writeFileSync(path, HEAD + V4.repeat(3));
  const dump = new ProcTcpDump(path, false);
  let visits = 0;
  expect(dump.next(() => ++visits < 2)).toBe(false);
  expect(visits).toBe(2);
  dump.close();
});

it("leaves no descriptor open, and closes none twice", () => {
  const path = join(folder, "closed");
  writeFileSync(path, HEAD);
  const before = readdirSync("/proc/self/fd").length;
  const dump = new ProcTcpDump(path, false);
  expect(readdirSync("/proc/self/fd").length).toBe(before + 1);
  dump.close();
  expect(readdirSync("/proc/self/fd").length).toBe(before);
  expect(dump.next(() => true)).toBe(false);
  expect(() => dump.close()).not.toThrow();
});

it("loses no row at the boundary of two chunks", () => {
  const rows = read(HEAD + V4.repeat(5000));
  expect(rows).toHaveLength(5000);
  expect(new Set(rows).size).toBe(1);
});

it.skipIf(!canMakeNamespaces())("repeats no socket when others are added at the end of the table", () => {
  enterNamespace();
  const port = localAddress(listenRaw("127.0.0.1", 4000)).port;
  for (let i = 0; i < 5; i++) connectRaw("127.0.0.1", port);
  const dump = new ProcTcpDump("/proc/thread-self/net/tcp", false);
  onTestFinished(() => dump.close());
  const inodes: number[] = [];
  const socket = new DiagSocket(dump.bytes);
  const visit = (offset: number, end: number) => void inodes.push(socket.move(offset, end).inode);
  expect(dump.next(visit)).toBe(true);
  // The clients' sockets, those of the server, which nobody has accepted, and the listener.
  expect(inodes).toHaveLength(11);
  for (let i = 0; i < 30; i++) connectRaw("127.0.0.1", port);
  while (dump.next(visit));
  expect(inodes).toHaveLength(11);
});

it("is empty without rows, and reports a missing file", () => {
  expect(read(HEAD)).toEqual([]);
  expect(read("")).toEqual([]);
  const dump = new ProcTcpDump(join(folder, "missing"), false);
  expect([dump.openErrno, dump.next(() => true)]).toEqual(["ENOENT", false]);
  dump.close();
});
