import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import {
  isGroupHidden,
  readCgroupCpus,
  readCgroupMemory,
  readCgroupMemoryEvents,
  readCgroupPids,
} from "../../../src/linux/proc/cgroup.js";

const GIB = 2 ** 30;
const base = mkdtempSync(join(tmpdir(), "cgroup-"));
let root = "";
let trees = 0;

beforeEach(() => {
  root = join(base, String(trees++));
});
afterAll(() => rmSync(base, { recursive: true }));

function group(path: string, files: Record<string, string | number>): void {
  mkdirSync(join(root, path), { recursive: true });
  for (const [name, value] of Object.entries(files)) writeFileSync(join(root, path, name), `${value}\n`);
}
const v2 = (path: string, max: string | number, current: number) =>
  group(path, { "memory.max": max, "memory.current": current });
const v1 = (path: string, limit: string | number, usage: number) =>
  group(`memory${path}`, { "memory.limit_in_bytes": limit, "memory.usage_in_bytes": usage });

describe("cgroup v2", () => {
  it("reads this process's own group", () => {
    v2("/app", GIB, 100);
    expect(readCgroupMemory(root, "0::/app\n")).toMatchObject({ limitBytes: GIB, usedBytes: 100 });
  });

  it("has no limit if the file says max, or does not exist", () => {
    v2("/app", "max", 100);
    expect(readCgroupMemory(root, "0::/app\n")).toBeUndefined();
    expect(readCgroupMemory(root, "0::/elsewhere\n")).toBeUndefined();
    expect(readCgroupMemory(root, "")).toBeUndefined();
    expect(readCgroupMemory(join(root, "missing"), "0::/\n")).toBeUndefined();
  });

  it("applies a parent's limit", () => {
    v2("/slice", GIB, GIB / 2);
    v2("/slice/app", "max", 100);
    v2("/slice/app/worker", 4 * GIB, 100);
    expect(readCgroupMemory(root, "0::/slice/app/worker\n")).toMatchObject({ limitBytes: GIB, usedBytes: GIB / 2 });
  });

  it("selects the group with the least room left, not the lowest limit", () => {
    v2("/slice", 4 * GIB, 4 * GIB - 10);
    v2("/slice/app", GIB, 0);
    expect(readCgroupMemory(root, "0::/slice/app\n")).toMatchObject({ limitBytes: 4 * GIB, usedBytes: 4 * GIB - 10 });
  });

  it("reads the root of a container's own namespace", () => {
    v2("/", 512 * 2 ** 20, 7);
    expect(readCgroupMemory(root, "0::/\n")).toMatchObject({ limitBytes: 512 * 2 ** 20, usedBytes: 7 });
    expect(readCgroupMemory(root, "0::/../outside\n")).toMatchObject({ limitBytes: 512 * 2 ** 20, usedBytes: 7 });
  });

  it("reads a path with a colon, as containerd creates them", () => {
    v2("/kubepods.slice:cri-containerd:0a1b", GIB, 3);
    expect(readCgroupMemory(root, "0::/kubepods.slice:cri-containerd:0a1b\n")).toMatchObject({
      limitBytes: GIB,
      usedBytes: 3,
    });
  });
});

describe("limits other than memory.max", () => {
  it("memory.high throttles without a maximum, also a parent's", () => {
    group("slice", { "memory.max": "max", "memory.high": GIB, "memory.current": 900 });
    group("slice/app", { "memory.max": "max", "memory.high": "max", "memory.current": 100 });
    const found = { file: "memory.high", limitBytes: GIB, usedBytes: 900 };
    expect(readCgroupMemory(root, "0::/slice/app\n")).toMatchObject(found);
    expect(readCgroupMemory(root, "0::/slice/app\n", ["memory.max"])).toBeUndefined();
  });

  it("memory.high is reached before the maximum of the same group", () => {
    group("app", { "memory.max": 2 * GIB, "memory.high": GIB, "memory.current": 9 });
    expect(readCgroupMemory(root, "0::/app\n")).toMatchObject({ file: "memory.high", limitBytes: GIB });
    expect(readCgroupMemory(root, "0::/app\n", ["memory.max"])).toMatchObject({ limitBytes: 2 * GIB });
  });

  it("of version 1: on kernel memory, and on queued TCP data", () => {
    const files = { "memory.limit_in_bytes": GIB, "memory.usage_in_bytes": 9, "memory.kmem.usage_in_bytes": 4 };
    group("memory/app", { ...files, "memory.kmem.limit_in_bytes": 500, "memory.kmem.tcp.limit_in_bytes": 90 });
    group("memory/app", { "memory.kmem.tcp.usage_in_bytes": 7 });
    const kernel = { file: "memory.kmem.limit_in_bytes", limitBytes: 500, usedBytes: 4 };
    expect(readCgroupMemory(root, "4:memory:/app\n")).toMatchObject(kernel);
    const tcp = { limitBytes: 90, usedBytes: 7 };
    expect(readCgroupMemory(root, "4:memory:/app\n", ["memory.kmem.tcp.limit_in_bytes"])).toMatchObject(tcp);
  });

  it("of version 1 are found if version 2 is mounted next to it", () => {
    group("unified/app", { "memory.high": GIB, "memory.current": 9 });
    expect(readCgroupMemory(root, "0::/app\n")).toMatchObject({ file: "memory.high" });
  });

  it("and the number of times they were reached are counted over the group and its ancestors", () => {
    group("slice", { "memory.events": "high 9", "memory.events.local": "low 0\nhigh 4\nmax 1" });
    group("slice/app", { "memory.events": "high 2\nmax 0\noom_kill 1" });
    expect(readCgroupMemoryEvents(root, "0::/slice/app\n")).toEqual({ low: 0, high: 6, max: 1, oom_kill: 1 });
  });
});

it("the CPU quota is that of the tightest group", () => {
  group("slice", { "cpu.max": "150000 100000" });
  group("slice/app", { "cpu.max": "max 100000" });
  expect(readCgroupCpus(root, "0::/slice/app\n")).toBe(1.5);
  group("cpu/app", { "cpu.cfs_quota_us": 50_000, "cpu.cfs_period_us": 100_000 });
  group("cpu", { "cpu.cfs_quota_us": -1, "cpu.cfs_period_us": 100_000 });
  expect(readCgroupCpus(root, "2:cpu,cpuacct:/app\n")).toBe(0.5);
  expect(readCgroupCpus(root, "0::/elsewhere\n")).toBeUndefined();
});

describe("kernel memory of a group", () => {
  it("is reported by version 2, as a sum or in parts", () => {
    group("new", { "memory.max": GIB, "memory.current": 9, "memory.stat": "anon 1\nkernel 5\nslab 3" });
    group("old", { "memory.max": GIB, "memory.current": 9, "memory.stat": "slab 3\nkernel_stack 1\nsock 2" });
    expect(readCgroupMemory(root, "0::/new\n")?.kernelBytes).toBe(5);
    expect(readCgroupMemory(root, "0::/old\n")?.kernelBytes).toBe(6);
  });

  it("has its own file in version 1", () => {
    group("memory/app", {
      "memory.limit_in_bytes": GIB,
      "memory.usage_in_bytes": 9,
      "memory.kmem.usage_in_bytes": 4,
    });
    expect(readCgroupMemory(root, "4:memory:/app\n")?.kernelBytes).toBe(4);
  });
});

describe("thread limits", () => {
  it("are those of the group with the least room left, including parents", () => {
    group("slice", { "pids.max": 100, "pids.current": 95 });
    group("slice/app", { "pids.max": 20, "pids.current": 3 });
    expect(readCgroupPids(root, "0::/slice/app\n")).toEqual({ limit: 100, used: 95 });
  });

  it("do not exist if the file says max", () => {
    group("pids/app", { "pids.max": "max", "pids.current": 3 });
    expect(readCgroupPids(root, "8:pids:/app\n4:memory:/app\n")).toBeUndefined();
  });
});

describe("hidden limits of a group", () => {
  it("are assumed if its hierarchy is not mounted", () => {
    expect(isGroupHidden("memory", join(root, "missing"), "0::/\n")).toBe(true);
    expect(isGroupHidden("memory", join(root, "missing"), "4:memory:/docker/x\n")).toBe(true);
    expect(isGroupHidden("pids", root, "0::/app\n")).toBe(true);
  });

  it("are ruled out if the process is in no group, or the group has no limit file", () => {
    expect(isGroupHidden("memory", root, "")).toBe(false);
    group("/app", { "cgroup.procs": "" });
    expect(isGroupHidden("memory", root, "0::/app\n")).toBe(false);
    group("/limited", { "cgroup.procs": "", "memory.max": GIB, "memory.current": 1 });
    expect(isGroupHidden("memory", root, "0::/limited\n")).toBe(false);
  });

  it("are ruled out if a container sees its own group as the root", () => {
    v1("", GIB, 5);
    expect(isGroupHidden("memory", root, "4:memory:/docker/x\n0::/\n")).toBe(false);
  });
});

describe("cgroup v1", () => {
  const membership = "12:cpu,cpuacct:/docker/x\n9:memory:/docker/x\n1:name=systemd:/other\n";

  it("reads only the memory hierarchy", () => {
    v1("/docker/x", GIB, 5);
    v2("/docker/x", 10, 1);
    expect(readCgroupMemory(root, membership)).toMatchObject({ limitBytes: GIB, usedBytes: 5 });
  });

  it("treats a number near 2^63 as no limit", () => {
    v1("/docker/x", "9223372036854771712", 5);
    v1("", "9223372036854771712", 5);
    expect(readCgroupMemory(root, membership)).toBeUndefined();
  });

  it("applies a parent's limit", () => {
    v1("/docker/x", "9223372036854771712", 5);
    v1("/docker", GIB, 6);
    expect(readCgroupMemory(root, membership)).toMatchObject({ limitBytes: GIB, usedBytes: 6 });
  });

  it("finds memory among several controllers of a hierarchy", () => {
    v1("/a", GIB, 6);
    expect(readCgroupMemory(root, "4:cpu,memory:/a\n0::/\n")).toMatchObject({ limitBytes: GIB, usedBytes: 6 });
  });
});

it("reads this system without errors", () => {
  const found = readCgroupMemory();
  if (found) expect(found.limitBytes).toBeGreaterThan(0);
});
