import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, totalmem } from "node:os";
import { describe, expect, it } from "vitest";
import {
  countOpenDescriptors,
  readMeminfo,
  readNetCounters,
  readResidentBytes,
  readSockstat,
  readText,
} from "../../../src/linux/proc/procfs.js";

describe("on this system", () => {
  it("returns undefined for missing values", () => {
    expect(readText("/proc/no/such/file")).toBeUndefined();
    // One above the largest possible process number.
    expect(readResidentBytes(4_194_305)).toBeUndefined();
  });

  it("reads memory in bytes", () => {
    const meminfo = readMeminfo();
    expect(meminfo.MemTotal).toBe(totalmem());
    expect(meminfo.MemAvailable).toBeGreaterThan(0);
    expect(meminfo.MemAvailable).toBeLessThanOrEqual(meminfo.MemTotal!);
    for (const name of ["Slab", "PageTables", "KernelStack"]) expect(meminfo[name], name).toBeGreaterThan(0);
  });

  it("reads the same resident memory as Node", () => {
    const resident = readResidentBytes()!;
    expect(Math.abs(resident - process.memoryUsage.rss())).toBeLessThan(32 * 1024 ** 2);
    expect(readResidentBytes(process.pid)).toBeGreaterThan(10 * 1024 ** 2);
  });

  it("sees a listening socket appear and disappear in sockstat", async () => {
    expect(readSockstat()).toMatchObject({ "TCP.inuse": expect.any(Number), "TCP.mem": expect.any(Number) });
    expect(Object.keys(readSockstat())).toEqual(
      expect.arrayContaining(["TCP.orphan", "TCP.tw", "TCP.alloc", "TCP6.inuse"]),
    );
    const before = readSockstat()["TCP.alloc"]!;
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    expect(readSockstat()["TCP.inuse"]).toBeGreaterThan(0);
    expect(before).toBeGreaterThanOrEqual(0);
    await new Promise((resolve) => server.close(resolve));
  });

  it("reads counters under the names that nstat prints", () => {
    const counters = readNetCounters();
    for (const name of [
      "TcpExt.ListenOverflows",
      "TcpExt.ListenDrops",
      "Tcp.ActiveOpens",
      "Tcp.RetransSegs",
      "Ip.InReceives",
    ]) {
      expect(counters[name], name).toBeGreaterThanOrEqual(0);
    }
    for (const [name, value] of Object.entries(counters)) expect(Number.isFinite(value), name).toBe(true);
    const passive = /^Tcp: (?:-?\d+ ){5}(\d+)/m.exec(readFileSync("/proc/net/snmp", "utf8"))!;
    expect(counters["Tcp.PassiveOpens"]).toBeLessThanOrEqual(Number(passive[1]));
  });

  it("counts this thread's descriptors exactly", () => {
    const before = countOpenDescriptors();
    const fds = [openSync("/dev/null", "r"), openSync("/dev/null", "r"), openSync("/dev/null", "r")];
    expect(countOpenDescriptors()).toBe(before + 3);
    for (const fd of fds) closeSync(fd);
    expect(countOpenDescriptors()).toBe(before);
    // One of the descriptors that readdir() lists is its own.
    expect(readdirSync("/proc/self/fd").length - 1).toBe(before);
    expect(availableParallelism()).toBeGreaterThan(0);
  });
});
