// Facts needed to interpret the figures: machine, kernel, limits, versions, commit and command.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

/**
 * @param {string} root folder of the repository
 */
export function readMachine(root) {
  const processors = cpus();
  const nofile = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(
    readFileSync("/proc/self/limits", "latin1"),
  );
  return {
    date: new Date().toISOString(),
    command: `npm run bench -- ${process.argv
      .slice(2)
      .filter((word) => word !== "--inside")
      .join(" ")}`,
    commit: readCommit(root),
    kernel: release(),
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    node: process.version,
    architecture: process.arch,
    congestionControl: readSysctl("net/ipv4/tcp_congestion_control"),
    ephemeralPorts: readSysctl("net/ipv4/ip_local_port_range"),
    nofileHard: Number(nofile?.[2]?.replace("unlimited", "Infinity") ?? 0),
  };
}

/** @param {string} root */
function readCommit(root) {
  const git = (/** @type {string[]} */ ...args) =>
    execFileSync("git", ["-C", root, ...args], { encoding: "utf8", stdio: "pipe" }).trim();
  try {
    // Ignore results written by an earlier workload of the same run.
    const changes = git("status", "--porcelain", "--", ".", ":!bench/results");
    return `${git("rev-parse", "HEAD")}${changes === "" ? "" : " (dirty)"}`;
  } catch {
    return "unknown";
  }
}

/**
 * @param {string} path path below /proc/sys
 */
function readSysctl(path) {
  return readFileSync(`/proc/sys/${path}`, "latin1").trim().replaceAll("\t", " ");
}
