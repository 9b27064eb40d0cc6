// The lab's hosts, held by a process of their own, and what is to be seen of them from outside.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { PlaceOptions } from "../../src/lab/testbed/testbed.js";
import type { LabTestbed } from "../../src/results/lab/lab.js";
import { type ProcessOptions, start, type TestProcess } from "./process.js";

const PROGRAM = new URL("./programs/lab-place.mjs", import.meta.url).pathname;

/** A command prefix that makes an ordinary user of root. */
export const AS_USER =
  process.getuid!() === 0 ? ["setpriv", "--reuid=61321", "--regid=61321", "--clear-groups", "--"] : [];

/** What `programs/lab-place.mjs` says once it holds connections. */
export interface OpenLab {
  readonly description: LabTestbed;
  readonly port: number;
  /** Of the server and the client. */
  readonly pids: readonly [number, number];
}

interface LabOptions extends ProcessOptions {
  readonly testbed?: PlaceOptions;
  /** Whether the link between the hosts is cut once the connections are there. */
  readonly cut?: boolean;
  /** The command prefix that it is run by. */
  readonly prefix?: readonly string[];
}

/** Starts the lab's place, with 1,000 connections held in it. */
export function startLab({ testbed = {}, cut = false, prefix = [], ...options }: LabOptions = {}): TestProcess {
  const line = [...prefix, process.execPath, PROGRAM, JSON.stringify({ testbed, connections: 1000, cut })];
  return start(line[0]!, line.slice(1), options);
}

export async function openedBy(lab: TestProcess): Promise<OpenLab> {
  // Three programs of Node's have started one after the other by then.
  return JSON.parse((await lab.prints(/^open (.*)$/m, 30_000))[1]!);
}

/** Whether an ordinary user can make namespaces; says so when not, so that the test's skip has a reason. */
export function canMakeUserNamespaces(): boolean {
  const line = [...AS_USER, "unshare", "--user", "--map-root-user", "--net", "true"];
  const made = spawnSync(line[0]!, line.slice(1), { encoding: "utf8" });
  if (made.status !== 0) console.warn(`skipped: no user namespace can be made: ${made.stderr || made.error?.message}`);
  return made.status === 0;
}

/** Processes that have a variable in their environment, which they hand on to those that they start. */
export function listProcessesWith(name: string, value: string): string[] {
  return readdirSync("/proc").filter(
    (pid) => /^\d+$/.test(pid) && textOf(`/proc/${pid}/environ`)?.split("\0").includes(`${name}=${value}`),
  );
}

/** The command line of a process; empty when it has ended meanwhile. */
export function commandLine(pid: string): string {
  return textOf(`/proc/${pid}/cmdline`)?.replaceAll("\0", " ") ?? "";
}

/** The network namespaces that processes are in, this thread's left out, as the kernel numbers them while they exist. */
export function foreignNamespacesOf(pids: readonly string[]): string[] {
  const own = readlinkSync("/proc/thread-self/ns/net");
  return [...new Set(pids.map((pid) => readlinkSync(`/proc/${pid}/ns/net`)))].filter((each) => each !== own);
}

/** The interfaces of this network namespace. */
export function listLinks(): string[] {
  return spawnSync("ip", ["-oneline", "link"], { encoding: "utf8" }).stdout.trim().split("\n");
}

/**
 * Joins this network namespace to a process's by another veth pair: as long as its end here is listed, the kernel has not
 * taken that namespace back, whatever keeps it.
 */
export function tieTo(pid: number, device: string): void {
  const wire = ["link", "add", device, "type", "veth", "peer", "name", "tie", "netns", `${pid}`];
  const { status, stderr } = spawnSync("ip", wire, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

/** Every setting of this network namespace. */
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
