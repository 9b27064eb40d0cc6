// Runs one workload with its contenders in turn, round by round. It prints the table and writes the JSON.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { prepareContenders } from "./contenders.mjs";
import { readMachine } from "./machine.mjs";
import { judge } from "./measures.mjs";
import { readTcpSockets } from "./proc.mjs";
import { summarize } from "./summary.mjs";
import { formatMeasures, formatRound, formatTable } from "./table.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
// Pause between rounds, which lets the kernel free slabs.
const PAUSE_MS = 200;
// From this number of sockets up, other programs are more than background noise.
const FOREIGN_SOCKETS = 1000;

/**
 * @param {import("./workloads.mjs").Workload} workload
 * @param {{ rounds?: number | undefined, atMost?: number | undefined, only?: string[] | undefined, into: string,
 *   isInside: boolean }} options
 * @returns {Promise<number>} the exit code
 */
export async function runWorkload(workload, options) {
  const { only, into, isInside } = options;
  const atMost = options.atMost ?? workload.atMost ?? Number.POSITIVE_INFINITY;
  const machine = readMachine(ROOT);
  const { contenders, absent } = prepareContenders(workload, { nofileHard: machine.nofileHard, only, atMost });
  console.log(
    `${workload.name}: ${workload.title}\ncontenders, alternating: ${contenders.map(({ name }) => name).join(", ")}`,
  );
  for (const reason of new Set(absent.map((one) => one.reason))) {
    const names = absent.filter((one) => one.reason === reason).map(({ name }) => name);
    console.log(`without ${names.join(", ")}: ${reason}`);
  }
  if (contenders.length === 0) return 2;
  warnOfOthers();

  /** @type {any[]} */
  let done;
  try {
    done = await runRounds(workload, contenders, { rounds: options.rounds, atMost });
  } catch (error) {
    console.error(`${workload.name} cannot run: ${/** @type {Error} */ (error).message}`);
    return 1;
  }
  const summary = summarize(workload, contenders, done);
  const isSmaller = atMost < (workload.scale?.connections ?? workload.connections ?? 0);
  const unfinished = new Set(done.filter(({ isUnfinished }) => isUnfinished).map(({ contender }) => contender));
  const failed = done.filter(({ error }) => error !== undefined);
  const measures = judge(workload, summary, {
    machine,
    isSmaller,
    unfinished,
    failed: failed.map(({ contender }) => contender),
  });
  if (Object.keys(summary).length > 0) console.log(`\n${formatTable(workload, contenders, summary)}\n`);
  for (const { name, settings, window } of contenders)
    console.log(
      `${name}: ${settings}${window === undefined ? "" : `; ${window.toLocaleString("en")} opening at once`}`,
    );
  if (measures.length > 0) console.log(`\n${formatMeasures(measures)}`);

  for (const { contender, round, error } of failed) console.log(`FAILED ${contender}, round ${round}: ${error}`);
  const report = {
    kind: "bench",
    version: 2,
    workload: workload.name,
    title: workload.title,
    ...(Number.isFinite(atMost) && { atMost }),
    machine: { ...machine, ownNamespace: isInside },
    contenders: contenders.map(({ name, settings, version, window, scale }) => ({
      name,
      settings,
      version,
      window,
      scale,
    })),
    absent,
    measures,
    summary,
    rounds: done,
  };
  const file = join(into, `bench-${workload.name}.json`);
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log(`\nwritten to ${file}`);
  if (workload.draw) console.log(`drawn in ${await workload.draw(report, into)}`);
  console.log("");
  return failed.length === 0 ? 0 : 1;
}

/**
 * @param {import("./workloads.mjs").Workload} workload
 * @param {import("./contenders.mjs").Contender[]} contenders
 * @param {{ rounds: number | undefined, atMost: number }} conditions
 */
async function runRounds(workload, contenders, { rounds: requested, atMost }) {
  const roundsOf = (/** @type {import("./contenders.mjs").Contender} */ { scale }) =>
    requested ?? Math.min(workload.rounds, scale?.rounds ?? Number.POSITIVE_INFINITY);
  const done = [];
  const prepared = await workload.prepare?.({ atMost });
  try {
    for (let round = 1; round <= Math.max(...contenders.map(roundsOf)); round++) {
      for (const contender of contenders.filter((one) => round <= roundsOf(one))) {
        const outcome = await workload.run(contender, round, prepared);
        done.push(outcome);
        console.log(formatRound(workload, outcome));
        await delay(PAUSE_MS);
      }
    }
  } finally {
    await prepared?.close();
  }
  return done;
}

function warnOfOthers() {
  const { inuse = 0, tw = 0 } = readTcpSockets();
  if (inuse + tw > FOREIGN_SOCKETS) {
    console.log(
      `note: ${inuse} TCP sockets of other programs are in use here and ${tw} are in TIME_WAIT: they share ports and cores and will affect the figures`,
    );
  }
}
