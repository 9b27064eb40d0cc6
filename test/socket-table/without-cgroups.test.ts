// Tests reading with BPF on a kernel without cgroups, whose types lack them.
import { expect, it, vi } from "vitest";
import { stateMask } from "../../src/socket-table/query.js";
import { readTable } from "../../src/socket-table/table.js";
import { canUseBpf } from "../support/bpf.js";
import { connectForeign, startForeignServer } from "../support/peers.js";

vi.mock("../../src/linux/bpf/kernel-layout.js", async (importOriginal) => {
  const { readKernelLayout } = await importOriginal<typeof import("../../src/linux/bpf/kernel-layout.js")>();
  return { readKernelLayout: () => ({ ...readKernelLayout()!, cgroup: undefined }) };
});

it.skipIf(!canUseBpf())("gives sockets inodes and users, but no cgroup", async () => {
  const server = await startForeignServer();
  await connectForeign(server);
  const either = { ports: [{ first: server.port, last: server.port }] };
  let rows: unknown[] = [];
  const read = await readTable(
    { either, states: stateMask(["ESTABLISHED"]), withoutTimers: true, source: "bpf" },
    () => {
      rows = [];
      return ({ inode, uid, cgroupId }) => rows.push([inode > 0, uid, cgroupId]);
    },
  );
  expect([read.source, rows]).toEqual(["bpf", Array(2).fill([true, process.getuid!(), 0])]);
});
