import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { readCgroupMemory } from "../../src/sys/cgroup.js";

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

describe("version 2", () => {
  it("reads this process's own group", () => {
    v2("/app", GIB, 100);
    expect(readCgroupMemory(root, "0::/app\n")).toEqual({ limitBytes: GIB, usedBytes: 100 });
  });

  it("finds no limit where it says max, or nothing at all", () => {
    v2("/app", "max", 100);
    expect(readCgroupMemory(root, "0::/app\n")).toBeUndefined();
    expect(readCgroupMemory(root, "0::/elsewhere\n")).toBeUndefined();
    expect(readCgroupMemory(root, "")).toBeUndefined();
    expect(readCgroupMemory(join(root, "missing"), "0::/\n")).toBeUndefined();
  });

  it("is bound by a parent", () => {
    v2("/slice", GIB, GIB / 2);
    v2("/slice/app", "max", 100);
    v2("/slice/app/worker", 4 * GIB, 100);
    expect(readCgroupMemory(root, "0::/slice/app/worker\n")).toEqual({ limitBytes: GIB, usedBytes: GIB / 2 });
  });

  it("takes the group with the least room, not the one with the lowest limit", () => {
    v2("/slice", 4 * GIB, 4 * GIB - 10);
    v2("/slice/app", GIB, 0);
    expect(readCgroupMemory(root, "0::/slice/app\n")).toEqual({ limitBytes: 4 * GIB, usedBytes: 4 * GIB - 10 });
  });

  it("reads the root of a container's own namespace", () => {
    v2("/", 512 * 2 ** 20, 7);
    expect(readCgroupMemory(root, "0::/\n")).toEqual({ limitBytes: 512 * 2 ** 20, usedBytes: 7 });
    expect(readCgroupMemory(root, "0::/../outside\n")).toEqual({ limitBytes: 512 * 2 ** 20, usedBytes: 7 });
  });

  it("reads a path with a colon in it, as containerd makes them", () => {
    v2("/kubepods.slice:cri-containerd:0a1b", GIB, 3);
    expect(readCgroupMemory(root, "0::/kubepods.slice:cri-containerd:0a1b\n")).toEqual({
      limitBytes: GIB,
      usedBytes: 3,
    });
  });
});

describe("version 1", () => {
  const membership = "12:cpu,cpuacct:/docker/x\n9:memory:/docker/x\n1:name=systemd:/other\n";

  it("reads the memory hierarchy only", () => {
    v1("/docker/x", GIB, 5);
    v2("/docker/x", 10, 1);
    expect(readCgroupMemory(root, membership)).toEqual({ limitBytes: GIB, usedBytes: 5 });
  });

  it("takes the number near 2^63 for no limit", () => {
    v1("/docker/x", "9223372036854771712", 5);
    v1("", "9223372036854771712", 5);
    expect(readCgroupMemory(root, membership)).toBeUndefined();
  });

  it("is bound by a parent", () => {
    v1("/docker/x", "9223372036854771712", 5);
    v1("/docker", GIB, 6);
    expect(readCgroupMemory(root, membership)).toEqual({ limitBytes: GIB, usedBytes: 6 });
  });

  it("finds memory among the controllers of one hierarchy", () => {
    v1("/a", GIB, 6);
    expect(readCgroupMemory(root, "4:cpu,memory:/a\n0::/\n")).toEqual({ limitBytes: GIB, usedBytes: 6 });
  });
});

it("reads this system without an error", () => {
  const found = readCgroupMemory();
  if (found) expect(found.limitBytes).toBeGreaterThan(0);
});
