// Tests the catalogue of limits: complete, readable on this host, and equal to the kernel's own files.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/capacity/limits/catalogue.js";
import { inspectLimits } from "../support/library.js";

const file = (path: string) => readFileSync(path, "utf8").trim();

describe("the catalogue of limits", () => {
  it("says what each limit caps, how to change it, which misconception is common and where it is documented", () => {
    for (const limit of LIMITS) {
      for (const field of ["name", "source", "change", "pitfall"] as const) {
        expect(limit[field].length, `${limit.id} ${field}`).toBeGreaterThan(3);
      }
      expect(limit.id).toMatch(/^[a-z0-9-]+$/);
    }
    expect(new Set(LIMITS.map(({ id }) => id)).size).toBe(LIMITS.length);
  });

  it("covers the kernel's limits", () => {
    const names = LIMITS.map(({ name }) => name);
    for (const wanted of [
      "RLIMIT_NOFILE",
      "fs.nr_open",
      "fs.file-max",
      "fs.epoll.max_user_watches",
      "RLIMIT_MEMLOCK",
      "net.ipv4.ip_local_port_range",
      "net.ipv4.ip_local_reserved_ports",
      "net.core.somaxconn",
      "net.ipv4.tcp_mem",
      "net.netfilter.nf_conntrack_max",
      "kernel.threads-max",
    ]) {
      expect(names).toContain(wanted);
    }
  });
});

describe("inspectLimits()", async () => {
  const limits = await inspectLimits();
  const now = (id: string) => limits.find((limit) => limit.id === id)?.now;

  it("reads the values in the kernel's files", () => {
    expect(now("nr-open")).toBe(Number(file("/proc/sys/fs/nr_open")));
    expect(now("file-max")).toBe(Number(file("/proc/sys/fs/file-max")));
    expect(now("epoll-watches")).toBe(Number(file("/proc/sys/fs/epoll/max_user_watches")));
    expect(now("somaxconn")).toBe(Number(file("/proc/sys/net/core/somaxconn")));
    const [first, last] = file("/proc/sys/net/ipv4/ip_local_port_range").split(/\s+/).map(Number);
    expect(now("ip-local-port-range")).toBe(last! - first! + 1);
    const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(file("/proc/self/limits"))![1]!;
    expect(now("nofile")).toBe(hard === "unlimited" ? Number.POSITIVE_INFINITY : Number(hard));
  });

  it("returns every limit in the catalogue", () => {
    expect(limits.map(({ id }) => id)).toEqual(LIMITS.map(({ id }) => id));
  });
});
