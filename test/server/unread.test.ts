// Tests clients of an echo server that never read: the memory kept for them is bounded, and other clients are still
// served.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { sendBytes } from "../../src/linux/syscalls/socket.js";
import { untilAtRest } from "../support/kernel.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { connectForeign, startServerProcess } from "../support/peers.js";
import { close, connectRaw } from "../support/raw-sockets.js";
import { setSysctl } from "../support/sysctl.js";
import { until } from "../support/until.js";

const MIB = 1024 ** 2;
const CLIENTS = 4000;

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;
}

it.skipIf(!canMakeNamespaces()).each([
  ["", undefined],
  [", parked in io_uring", 700],
])(
  "clients that never read take a bounded amount of memory, released when they leave; others get every byte meanwhile",
  async (_, nofile) => {
    enterNamespace();
    // Keep the kernel's buffers small, so that most of the data stays in the server.
    setSysctl("net.ipv4.tcp_wmem", "4096 8192 8192");
    setSysctl("net.ipv4.tcp_rmem", "4096 65536 65536");
    const { ip, port, process } = await startServerProcess({ mode: "echo" }, nofile === undefined ? {} : { nofile });
    const before = residentBytes(process.pid);
    const junk = NativeBuffer.from(randomBytes(64 * 1024));
    const clients = Array.from({ length: CLIENTS }, () => connectRaw(ip, port));
    let last = -1;
    await until("the server to take no more", async () => {
      let taken = 0;
      for (const fd of clients) taken += Math.max(0, sendBytes(fd, junk, 0, junk.bytes.length));
      // A client that is merely slow accepts more after the server's next turn.
      if (taken === 0) await untilAtRest(process.pid);
      const isFull = taken === 0 && last === 0;
      last = taken;
      return isFull;
    });
    // 4,000 remainders of 25 KiB would be 100 MiB, and more on a busy host, where each read is larger; the limit is 64
    // MiB.
    expect(residentBytes(process.pid) - before).toBeLessThan(72 * MIB);

    const client = await connectForeign({ ip, port });
    const data = randomBytes(MIB);
    client.socket.write(data);
    expect((await client.receives(data.length)).equals(data)).toBe(true);
    client.socket.end();
    await until("the end", () => client.hasEnded());

    for (const fd of clients) close(fd);
    await until(
      "memory given back",
      () => (residentBytes(process.pid) - before) / MIB,
      (scaling) => scaling < 20,
    );
  },
);
