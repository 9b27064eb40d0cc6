// Runs the lab's hosts in a separate process, and inspects them from outside.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { PlaceOptions } from "../../src/lab/testbed/testbed.js";
import type { LabTestbed } from "../../src/results/lab/lab.js";
import { type ProcessOptions, start, type TestProcess } from "./process.js";

const PROGRAM = new URL("./programs/lab-place.mjs", import.meta.url).pathname;

/** Command prefix that drops root privileges. */
export const AS_USER =
  process.getuid!() === 0 ? ["setpriv", "--reuid=61321", "--regid=61321", "--clear-groups", "--"] : [];

/** Output of `programs/lab-place.mjs` once it holds connections. */
export interface OpenLab {
  readonly description: LabTestbed;
  readonly port: number;
  /** Process IDs of the server and the client. */
  readonly pids: readonly [number, number];
}

interface LabOptions extends ProcessOptions {
  readonly testbed?: PlaceOptions;
  /** True to cut the link between the hosts once the connections are open. */
  readonly cut?: boolean;
  /** Command prefix with which to run the program. */
  readonly prefix?: readonly string[];
}

/** Starts the lab's testbed with 1,000 connections held in it. */
export function startLab({ testbed = {}, cut = false, prefix = [], ...options }: LabOptions = {}): TestProcess {
  const line = [...prefix, process.execPath, PROGRAM, JSON.stringify({ testbed, connections: 1000, cut })];
  return start(line[0]!, line.slice(1), options);
}

export async function openedBy(lab: TestProcess): Promise<OpenLab> {
  // Three Node programs have to start one after another before this point.
  return JSON.parse((await lab.prints(/^open (.*)$/m, 30_000))[1]!);
}

/** Returns whether an unprivileged user can create namespaces. If not, prints the reason for skipping the test. */
export function canMakeUserNamespaces(): boolean {
  const line = [...AS_USER, "unshare", "--user", "--map-root-user", "--net", "true"];
  const made = spawnSync(line[0]!, line.slice(1), { encoding: "utf8" });
  if (made.status !== 0) console.warn(`skipped: no user namespace can be made: ${made.stderr || made.error?.message}`);
  return made.status === 0;
}

/** Lists the processes with a variable in their environment, which they pass on to their children. */
export function listProcessesWith(name: string, value: string): string[] {
  return readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && textOf(`/proc/${pid}/environ`)?.split("\0").includes(`${name}=${value}`),
  );
}

/** Returns the command line of a process; empty if it has exited. */
export function commandLine(pid: string): string {
  return textOf(`/proc/${pid}/cmdline`)?.replaceAll("\0", " ") ?? "";
}

/**
 * Lists the network namespaces of processes other than this thread's, by the numbers that the kernel gives to existing
 * namespaces.
 */
export function foreignNamespacesOf(pids: readonly string[]): string[] {
  const own = readlinkSync("/proc/thread-self/ns/net");
  return [...new Set(pids.map((pid) => readlinkSync(`/proc/${pid}/ns/net`)))].filter((each) => each !== own);
}

/** Lists the interfaces of this network namespace. */
export function listLinks(): string[] {
  return spawnSync("ip", ["-oneline", "link"], { encoding: "utf8" }).stdout.trim().split("\n");
}

/**
 * Joins this network namespace to that of a process by another veth pair. As long as the end of the pair in this
 * namespace is listed, the kernel has not removed the other namespace.
 */
export function tieTo(pid: number, device: string): void {
  const wire = ["link", "add", device, "type", "veth", "peer", "name", "tie", "netns", `${pid}`];
  const { status, stderr } = spawnSync("ip", wire, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

/** Reads every setting of this network namespace. */
export function readNetSettings(): Record<string, string | undefined> {
  const files = readdirSync("/proc/sys/net", { recursive: true, encoding: "utf8" });
  return Object.fromEntries(files.map((file) => [file, textOf(join("/proc/sys/net", file))]));
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
