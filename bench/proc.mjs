// Reads CPU time, resident memory, free memory and sockets of a process and the host from /proc.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const TICKS_PER_SECOND = readConf("CLK_TCK");
const PAGE_BYTES = readConf("PAGESIZE");

/**
 * @param {number} pid
 * @returns CPU seconds of the whole process including threads that have exited; the resolution is a tick of 10 ms
 * @see man 5 proc_pid_stat, utime and stime
 */
export function readCpuTimes(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The second field, a name in parentheses, may contain spaces, so start after it.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

/**
 * @param {number} pid
 * @returns {number} CPU seconds, user and system together
 */
export function readCpuSeconds(pid) {
  const { user, system } = readCpuTimes(pid);
  return user + system;
}

/**
 * Returns CPU time with a finer resolution than a tick, for processes that do almost nothing. It excludes threads that
 * exit meanwhile.
 *
 * @param {number} pid
 * @returns {number} seconds that its current threads have been running on a CPU
 * @see Linux Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat
 */
export function readRunSeconds(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const runNs = (/** @type {string} */ thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
  return threads.reduce((total, thread) => total + runNs(thread), 0) / 1e9;
}

/**
 * @returns {number} user and system CPU time of everything on the host
 * @see man 5 proc_stat: user, nice and system; without interrupts, which belong to no process
 */
function readHostCpuSeconds() {
  const [, user, nice, system] = (/^cpu +(\d+) (\d+) (\d+)/.exec(readFileSync("/proc/stat", "latin1")) ?? []).map(
    Number,
  );
  return (user + nice + system) / TICKS_PER_SECOND;
}

/**
 * @returns {number} time that the host's CPUs have spent on softirqs, such as receiving packets from a veth device; it
 *   belongs to no process
 */
export function readSoftirqSeconds() {
  return Number(/^cpu +(?:\d+ +){6}(\d+)/.exec(readFileSync("/proc/stat", "latin1"))?.[1]) / TICKS_PER_SECOND;
}

/**
 * @param {number[]} pids
 * @returns {number} user and system CPU time of everything on the host except these processes and this one
 */
export function readOthersCpuSeconds(pids) {
  const { user, system } = process.cpuUsage();
  return pids.reduce((rest, pid) => rest - readCpuSeconds(pid), readHostCpuSeconds() - (user + system) / 1e6);
}

/**
 * @param {number} pid
 * @returns {number} VmRSS in bytes
 */
export function readResident(pid) {
  return kibibytes(readFileSync(`/proc/${pid}/status`, "latin1"), "VmRSS");
}

/**
 * @param {number} pid
 * @returns {number} VmHWM in bytes, the peak resident size
 */
export function readPeakResident(pid) {
  return kibibytes(readFileSync(`/proc/${pid}/status`, "latin1"), "VmHWM");
}

/**
 * Reads memory use, adding free pages on per-CPU lists to MemFree and MemAvailable, which do not include them. After a
 * large round, these pages amount to hundreds of megabytes and drain over a minute, so the next round would start with
 * too little free memory and appear too cheap.
 *
 * @returns bytes of the whole host
 */
export function readMemory() {
  const text = readFileSync("/proc/meminfo", "latin1");
  const lists = readFileSync("/proc/zoneinfo", "latin1").matchAll(/^ +count: +(\d+)$/gm);
  const perCpuFreeBytes = [...lists].reduce((total, [, pages]) => total + Number(pages), 0) * PAGE_BYTES;
  return {
    totalBytes: kibibytes(text, "MemTotal"),
    freeBytes: kibibytes(text, "MemFree") + perCpuFreeBytes,
    availableBytes: kibibytes(text, "MemAvailable") + perCpuFreeBytes,
    perCpuFreeBytes,
    slabBytes: kibibytes(text, "Slab"),
  };
}

/** @returns {Record<string, number>} the host's IPv4 TCP sockets: inuse, orphan, tw (TIME_WAIT), alloc, mem */
export function readTcpSockets() {
  const words = (/^TCP: (.*)$/m.exec(readFileSync("/proc/net/sockstat", "latin1"))?.[1] ?? "").split(" ");
  return Object.fromEntries(
    Array.from({ length: words.length >> 1 }, (_, i) => [words[2 * i], Number(words[2 * i + 1])]),
  );
}

/**
 * @param {string} text
 * @param {string} name
 */
function kibibytes(text, name) {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) * 1024;
}

/** @param {string} name */
function readConf(name) {
  return Number(execFileSync("getconf", [name], { encoding: "utf8" }));
}
