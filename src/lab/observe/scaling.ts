// Measures the memory and CPU time of a load that grows step by step. The drift of kernel memory while the lab is
// idle is measured, too; it is the error of a point.
import { setTimeout as delay } from "node:timers/promises";
import { onSnapshot } from "../../client/event-stream.js";
import { readMemoryUse } from "../../engine/memory-use.js";
import { readCpuSeconds } from "../../linux/proc/process-facts.js";
import { readResidentBytes } from "../../linux/proc/procfs.js";
import type { Subprocess } from "../../util/subprocess.js";
import { formatCount } from "../../util/units.js";
import type { LabContext } from "../experiment.js";
import { commandOf, END_BY_HAND } from "../reproduce.js";
import { type ClientLoadResult, jsonOf, startServer } from "./client-load.js";

const STEP_MS = 800;
/** Time to let slabs and counters settle after a step. */
const SETTLE_MS = 250;
const REST = { readings: 10, everyMs: 50 } as const;

export interface Sample {
  readonly connections: number;
  readonly kernelBytes: number;
  readonly userBytes: number;
  readonly cpuSeconds: number;
}

export interface Scaling {
  /** One sample for each size that was reached and still held when it was measured. */
  readonly samples: readonly Sample[];
  readonly commands: readonly string[];
  readonly result: ClientLoadResult;
}

/** Returns the range of the kernel's memory use over half a second while the lab runs nothing. */
export async function driftAtRest(): Promise<{ readonly bytes: number; readonly seconds: number }> {
  const seen: number[] = [];
  for (let reading = 0; reading <= REST.readings; reading++) {
    if (reading > 0) await delay(REST.everyMs);
    seen.push(readMemoryUse().kernelBytes);
  }
  return { bytes: Math.max(...seen) - Math.min(...seen), seconds: (REST.readings * REST.everyMs) / 1000 };
}

/** Grows a load through `sizes`, and measures it at each size. */
export async function grow(context: LabContext, at: string, sizes: readonly number[]): Promise<Scaling> {
  const { testbed } = context;
  const server = await startServer({ testbed }, at);
  const stages = sizes.flatMap((size) => ["--stage", `${STEP_MS}ms:${size}`, "--stage", `${3 * SETTLE_MS}ms:${size}`]);
  const args = [at, ...stages, "--source-ip", testbed.description.clientIps];
  const command = commandOf(["connect", ...args]);
  const client = testbed.client.run(["connect", ...args, "-T", "0.5s", "--close", "rst", "--authorized", "--json"]);
  const samples: Sample[] = [];
  const begun = new Set<number>();
  const measuring: Promise<void>[] = [];
  let openNow = 0;
  const measure = async (size: number) => {
    await delay(SETTLE_MS);
    // Skip the sample if the size has changed meanwhile.
    if (openNow === size && !client.hasEnded) samples.push(sampleOf(size, [server.process, client]));
  };
  onSnapshot(client, ({ open }) => {
    openNow = open;
    context.progress(`${formatCount(openNow)} connections`);
    if (begun.has(openNow) || !sizes.includes(openNow)) return;
    begun.add(openNow);
    measuring.push(measure(openNow));
  });
  const result = await jsonOf<ClientLoadResult>(client, command);
  await Promise.all(measuring);
  await server.end();
  return { samples, commands: [server.command, command, END_BY_HAND], result };
}

function sampleOf(connections: number, processes: readonly Subprocess[]): Sample {
  const pids = processes.map(({ pid }) => pid!);
  return {
    connections,
    kernelBytes: readMemoryUse().kernelBytes,
    userBytes: pids.reduce((sum, pid) => sum + (readResidentBytes(pid) ?? 0), 0),
    cpuSeconds: pids.reduce((sum, pid) => sum + (readCpuSeconds(pid) ?? 0), 0),
  };
}
