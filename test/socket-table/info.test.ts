// Tests the kernel's statistics of a connection's path, compared with `ss -i`.
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { receive, sendBytes } from "../../src/linux/syscalls/socket.js";
import { forEachSocket, type SocketQuery, stateMask } from "../../src/socket-table/table.js";
import type { SocketInfo } from "../../src/socket-table/view.js";
import { canMakeNamespaces, enterNamespace } from "../support/namespace.js";
import { acceptMany, connectRaw, listenRaw } from "../support/raw-sockets.js";
import { until } from "../support/until.js";

type Row = Partial<SocketInfo> & { readonly ends: string };

async function read(query: SocketQuery): Promise<Row[]> {
  const rows: Row[] = [];
  await forEachSocket(query, (socket) => {
    const { localIp, localPort, remoteIp, remotePort } = socket;
    rows.push({ ends: `${localIp}:${localPort} ${remoteIp}:${remotePort}`, ...socket.info });
  });
  return rows.sort((a, b) => (a.ends < b.ends ? -1 : 1));
}

/** `ss` omits values that are 0. */
function readSs(state: string): Row[] {
  const text = execFileSync("ss", ["-HtinO", "state", state], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const rows = text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const number = (pattern: RegExp) => Number(pattern.exec(line)?.[1] ?? 0);
      const [, , local, remote] = line.trim().split(/\s+/);
      return {
        ends: `${local} ${remote}`,
        rttMicros: Math.round(1000 * number(/ rtt:([\d.]+)/)),
        rttDeviationMicros: Math.round(1000 * number(/ rtt:[\d.]+\/([\d.]+)/)),
        retransmits: number(/ backoff:(\d+)/),
        totalRetransmits: number(/ retrans:\d+\/(\d+)/),
        unackedSegments: number(/ unacked:(\d+)/),
        congestionWindow: number(/ cwnd:(\d+)/),
        ackedBytes: number(/ bytes_acked:(\d+)/),
        receivedBytes: number(/ bytes_received:(\d+)/),
        sentBytes: number(/ bytes_sent:(\d+)/),
        retransmittedBytes: number(/ bytes_retrans:(\d+)/),
        sentSegments: number(/ segs_out:(\d+)/),
        receivedSegments: number(/ segs_in:(\d+)/),
        sendMssBytes: number(/ mss:(\d+)/),
        sendWindowBytes: number(/ snd_wnd:(\d+)/),
      };
    });
  return rows.sort((a, b) => (a.ends < b.ends ? -1 : 1));
}

describe.skipIf(!canMakeNamespaces())("the statistics of a connection", () => {
  it("agree with ss -i: round trips and bytes", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 1001);
    const client = connectRaw("127.0.0.1", 1001);
    const [server] = acceptMany(listener, 1);
    const buffer = new NativeBuffer(10_000);
    expect(sendBytes(client, buffer, 0, 10_000)).toBe(10_000);
    expect(sendBytes(server!, buffer, 0, 300)).toBe(300);
    for (const fd of [server!, client]) receive(fd, buffer);
    const query = { states: stateMask(["ESTABLISHED"]), info: true };
    const [rows, inSs] = await until(
      "nothing on its way",
      async () => [await read(query), readSs("established")] as const,
      ([a, b]) => a.every(({ unackedSegments }) => unackedSegments === 0) && JSON.stringify(a) === JSON.stringify(b),
    );
    expect(rows).toEqual(inSs);
    expect(rows.map(({ receivedBytes }) => receivedBytes).sort()).toEqual([10_000, 300]);
    expect(rows.map(({ sentBytes }) => sentBytes).sort()).toEqual([10_000, 300]);
    for (const { rttMicros } of rows) expect(rttMicros).toBeGreaterThan(0);
  });

  it("are provided on request only, and not for incomplete sockets", async () => {
    enterNamespace();
    const listener = listenRaw("127.0.0.1", 1001);
    connectRaw("127.0.0.1", 1001);
    acceptMany(listener, 1);
    const states = stateMask(["ESTABLISHED"]);
    for (const query of [{ states }, { states, info: true, source: "/proc/net/tcp" }] as const) {
      for (const row of await read(query)) expect(Object.keys(row)).toEqual(["ends"]);
    }
    const [both] = await read({ states, info: true, memory: true });
    expect(both).toMatchObject({ congestionWindow: expect.any(Number) });
  });

  it("include retransmissions: SYNs dropped by a full accept queue", async () => {
    enterNamespace();
    listenRaw("127.0.0.1", 1001, { backlog: 0 });
    for (let i = 0; i < 2; i++) connectRaw("127.0.0.1", 1001);
    const query = { states: stateMask(["SYN_SENT"]), info: true };
    const [rows, inSs] = await until(
      "a SYN sent again",
      async () => [await read(query), readSs("syn-sent")] as const,
      // Expect one or more: the next SYN may be sent before both readings, but not between them.
      ([[ours], [theirs]]) =>
        ours !== undefined && ours.totalRetransmits! > 0 && ours.totalRetransmits === theirs?.totalRetransmits,
    );
    const { ends, totalRetransmits } = inSs[0]!;
    expect(rows).toMatchObject([{ ends, retransmits: totalRetransmits, totalRetransmits, unackedSegments: 1 }]);
  });
});
