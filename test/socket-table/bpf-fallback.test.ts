// Tests that readings of a large table fall back to sock_diag, and say why, if BPF is refused or fails.
import { beforeEach, expect, it, vi } from "vitest";
import { overviewText } from "../../src/output/text/ports/summary.js";
import { isWorthwhile } from "../../src/socket-table/sources/hash.js";
import { socketTable } from "../../src/socket-table/summary.js";
import { connectForeign, startForeignServer } from "../support/peers.js";

const kernel = vi.hoisted(() => ({ sockets: 1_000_000, error: 0, isInterrupted: false, dumps: 0 }));

vi.mock("../../src/linux/proc/procfs.js", async (importOriginal) => ({
  ...(await importOriginal<typeof import("../../src/linux/proc/procfs.js")>()),
  readSockstat: () => ({ "TCP.inuse": kernel.sockets, "TCP.tw": 0 }),
}));

/** A dump that visits one fictitious connection and then fails, unless it is refused at once. */
vi.mock("../../src/linux/bpf/hash-dump.js", () => ({
  HashDump: class {
    readonly bytes = Buffer.alloc(72, 1);
    error = 0;
    readonly wasInterrupted = kernel.isInterrupted;

    constructor() {
      kernel.dumps++;
    }

    next(visit: (offset: number, end: number) => unknown): boolean {
      if (kernel.error !== -1) visit(0, 72);
      this.error = kernel.error;
      return false;
    }

    close(): void {}
  },
}));

beforeEach(() => {
  Object.assign(kernel, { sockets: 1_000_000, error: 0, isInterrupted: false, dumps: 0 });
});

async function readOne() {
  const server = await startForeignServer();
  await connectForeign(server);
  return socketTable({ localIp: server.ip, localPort: server.port, states: ["ESTABLISHED"] });
}

it.each([
  ["without privileges", { error: -1 }, "EPERM"],
  ["if the kernel refuses the program", { error: -22 }, "EINVAL"],
  ["if a chain is too long", { error: -7 }, "E2BIG"],
  ["if chains keep changing", { isInterrupted: true }, "EAGAIN"],
])("%s, sock_diag is read from the start", async (_, trouble, errno) => {
  Object.assign(kernel, trouble);
  const table = await readOne();
  expect([table.source, table.bpfErrno, table.sockets, kernel.dumps]).toEqual(["sock_diag", errno, 1, 1]);
  expect(overviewText(table, { top: 10 })).toContain(`(sock_diag; BPF unavailable: ${errno})`);
});

it("if BPF was requested and is refused, the fix names the capabilities that it needs", async () => {
  kernel.error = -1;
  await expect(socketTable({ source: "bpf" })).rejects.toMatchObject({
    code: "E_PERMISSION",
    fix: expect.stringContaining("CAP_BPF and CAP_PERFMON"),
  });
});

it("a small table is read from sock_diag, without a remark", async () => {
  kernel.sockets = 19_999;
  const table = await readOne();
  expect([table.source, table.bpfErrno, kernel.dumps]).toEqual(["sock_diag", undefined, 0]);
});

it("memory is read with BPF, too", async () => {
  const table = await socketTable({ memory: true });
  expect([table.source, kernel.dumps]).toEqual(["bpf", 1]);
});

it.each([
  [{ "TCP.inuse": 20_000 }, [true, true, false]],
  [{ "TCP6.inuse": 20_000 }, [true, false, true]],
  [{ "TCP.inuse": 10_000, "TCP6.inuse": 10_000 }, [true, false, false]],
  [{ "TCP6.inuse": 10_000, "TCP.tw": 10_000 }, [true, false, true]],
  [{ "TCP.inuse": 10_000, "TCP6.inuse": 9999 }, [false, false, false]],
])("IPv6 sockets count towards a large table: %o", (sockstat, expected) => {
  expect([undefined, 4, 6].map((family) => isWorthwhile(sockstat, family as 4 | 6 | undefined))).toEqual(expected);
});
