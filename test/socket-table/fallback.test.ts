import { describe, expect, it, onTestFinished, vi } from "vitest";
import { countSockets } from "../../src/socket-table/count.js";
import { DumpFingerprint } from "../../src/socket-table/dump-fingerprint.js";
import { forEachSocket, readTable, stateMask } from "../../src/socket-table/table.js";
import { parseIp } from "../../src/util/address.js";
import { connectForeign, startForeignServer } from "../support/peers.js";

const proc = vi.hoisted(() => ({ openErrno: undefined as string | undefined }));
const netlink = vi.hoisted(() => ({
  error: 0,
  interruptions: 0,
  dumps: 0,
  failsAfter: Number.POSITIVE_INFINITY,
  misses: 0,
}));

// This file, not other tests, controls whether connections come and go during a reading.
const turnover = vi.hoisted(() => ({ readings: 0, isBusy: false }));

vi.mock("../../src/socket-table/dump-fingerprint.js", async (importOriginal) => ({
  ...(await importOriginal<typeof import("../../src/socket-table/dump-fingerprint.js")>()),
  readTurnover: () => (turnover.isBusy ? String(turnover.readings++) : "quiet"),
}));

vi.mock("../../src/linux/netlink/sock-diag.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/linux/netlink/sock-diag.js")>();
  class TroubledDump extends original.DiagDump {
    constructor(request: ConstructorParameters<typeof original.DiagDump>[0]) {
      super(request);
      netlink.dumps++;
      this.error = netlink.error;
      if (netlink.interruptions-- > 0) this.wasInterrupted = true;
    }

    override decode(length: number, visit: Parameters<InstanceType<typeof original.DiagDump>["next"]>[0]): boolean {
      // The dump misses a socket, as it does when the one before it in its bucket is removed.
      return super.decode(length, netlink.misses-- > 0 ? () => true : visit);
    }

    override next(visit: Parameters<InstanceType<typeof original.DiagDump>["next"]>[0]): boolean {
      const goesOn = super.next(visit);
      if (netlink.dumps < netlink.failsAfter) return goesOn;
      this.error = -105;
      return false;
    }
  }
  return { ...original, DiagDump: TroubledDump };
});

vi.mock("../../src/linux/proc/tcp.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/linux/proc/tcp.js")>();
  class TroubledFile extends original.ProcTcpDump {
    override readonly openErrno = proc.openErrno;
  }
  return { ...original, ProcTcpDump: TroubledFile };
});

const trouble = (what: Partial<typeof netlink>) =>
  Object.assign(
    netlink,
    { error: 0, interruptions: 0, dumps: 0, failsAfter: Number.POSITIVE_INFINITY, misses: 0 },
    what,
  );

async function oneConnection() {
  const server = await startForeignServer();
  await connectForeign(server);
  const addresses = [{ first: parseIp(server.ip), count: 1 }];
  return {
    local: { ports: [{ first: server.port, last: server.port }], addresses },
    states: stateMask(["ESTABLISHED"]),
  };
}

it("reads /proc if netlink is forbidden, and says why", async () => {
  trouble({ error: -1 });
  const query = await oneConnection();
  const read = await forEachSocket(query, () => true);
  expect(read).toEqual({ source: "/proc/net/tcp", fallbackErrno: "EPERM", sockets: 1, wasInterrupted: false });
  const ips = query.local.addresses.map(({ first }) => first);
  const count = await countSockets({ end: "local", ports: query.local.ports[0]!, ips });
  expect(count).toEqual({ source: "/proc/net/tcp", sockets: 1 });
});

it("does not fall back if sock_diag was requested explicitly", async () => {
  trouble({ error: -1 });
  const refused = forEachSocket({ source: "sock_diag" }, () => true);
  await expect(refused).rejects.toMatchObject({ code: "E_SYSTEM", facts: { errno: "EPERM" } });
});

it.each([
  [-1, "ENOENT", "E_PERMISSION", "EPERM"],
  [-13, "EACCES", "E_PERMISSION", "EACCES"],
  [-93, "EACCES", "E_PERMISSION", "EPROTONOSUPPORT"],
  [-93, "ENOENT", "E_SYSTEM", "EPROTONOSUPPORT"],
])(
  "distinguishes a missing privilege from a missing table: netlink %i, /proc %s",
  async (error, openErrno, code, errno) => {
    trouble({ error });
    proc.openErrno = openErrno;
    const refused = forEachSocket({}, () => true);
    await expect(refused).rejects.toMatchObject({ code, facts: { errno } });
    proc.openErrno = undefined;
  },
);

it("repeats an interrupted dump, and discards what it had read", async () => {
  trouble({ interruptions: 2 });
  const query = await oneConnection();
  let seen = 0;
  const read = await readTable(query, () => {
    seen = 0;
    return () => seen++;
  });
  expect([read.wasInterrupted, netlink.dumps, seen]).toEqual([false, 3, 1]);
});

it("reports an interruption that persists, and does not continue forever", async () => {
  trouble({ interruptions: 99 });
  const read = await readTable(await oneConnection(), () => () => true);
  expect([read.wasInterrupted, netlink.dumps, read.source]).toEqual([true, 4, "sock_diag"]);
});

it("restarts with /proc if netlink fails halfway, or reports it to callers that cannot restart", async () => {
  trouble({ failsAfter: 1 });
  const query = await oneConnection();
  let seen = 0;
  const read = await readTable(query, () => {
    seen = 0;
    return () => seen++;
  });
  expect([read.source, read.fallbackErrno, seen]).toEqual(["/proc/net/tcp", "ENOBUFS", 1]);
  await expect(forEachSocket(query, () => true)).rejects.toMatchObject({ code: "E_SYSTEM" });
});

describe("a dump during which connections come and go", () => {
  const count = async (missed: number) => {
    trouble({ misses: missed });
    turnover.isBusy = true;
    onTestFinished(() => {
      turnover.isBusy = false;
    });
    let seen = 0;
    await readTable(await oneConnection(), () => {
      seen = 0;
      return () => seen++;
    });
    return { seen, dumps: netlink.dumps };
  };

  it("is repeated until two readings agree", async () => {
    expect(await count(0)).toEqual({ seen: 1, dumps: 2 });
  });

  it("that missed a socket is detected", async () => {
    expect(await count(1)).toEqual({ seen: 1, dumps: 3 });
  });
});

it("distinguishes a small difference from a large one, in whatever order sockets come", () => {
  const fingerprint = (cookies: number[]) => {
    const made = new DumpFingerprint();
    for (const cookie of cookies) made.add(cookie);
    return made;
  };
  const all = Array.from({ length: 1000 }, (_, i) => i * 7919);
  expect(fingerprint(all).compare(fingerprint([...all].reverse()))).toBe("same");
  expect(fingerprint(all).compare(fingerprint(all.slice(1)))).toBe("few differ");
  expect(fingerprint(all).compare(fingerprint([...all, all[5]!]))).toBe("few differ");
  expect(fingerprint(all).compare(fingerprint(all.slice(40)))).toBe("many differ");
});
