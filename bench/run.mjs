// Runs the benchmark: reads the arguments, takes the peers in turn round after round, prints the table and writes the
// JSON. Usage: npm run bench -- --scale 19k|190k|1m|2m [--rounds N] [--peer NAME]... [--json FILE]
// The exit code is 0 when every connection of every round came to be and stayed, 1 when not, 2 for wrong usage.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { killChildren } from "./child.mjs";
import { readMachine } from "./machine.mjs";
import { judge } from "./measures.mjs";
import { preparePeers } from "./peers.mjs";
import { readTcpSockets } from "./proc.mjs";
import { failureOf, playRound } from "./round.mjs";
import { SCALES } from "./scales.mjs";
import { summarize } from "./summary.mjs";
import { formatMeasures, formatRound, formatTable } from "./table.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const USAGE = `usage: npm run bench -- --scale ${Object.keys(SCALES).join("|")} [--rounds N] [--peer NAME]... [--json FILE]`;
// Between rounds, for the kernel to hand freed slabs back.
const PAUSE_MS = 200;
// From here on others' sockets are no background any more.
const FOREIGN_SOCKETS = 1000;

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    killChildren();
    process.exit(signal === "SIGINT" ? 130 : 143);
  });
}
process.exitCode = await main();

async function main() {
  const options = readOptions();
  if (typeof options === "string") {
    console.error(`${options}\n${USAGE}`);
    return 2;
  }
  if (!existsSync(resolve(ROOT, "dist/index.js"))) {
    console.error("dist/ is missing: run npm run build first");
    return 2;
  }
  const { scale, rounds, names, file } = options;
  const machine = readMachine(ROOT);
  const { peers, absent } = preparePeers(scale, machine.nofileHard, names);
  console.log(
    `${scale.title}, ${rounds} ${rounds === 1 ? "round" : "rounds"}, peers in turn: ${peers.map(({ name }) => name).join(", ")}`,
  );
  for (const { name, reason } of absent) console.log(`without ${name}: ${reason}`);
  if (peers.length === 0) return 2;
  const { inuse = 0, tw = 0 } = readTcpSockets();
  if (inuse + tw > FOREIGN_SOCKETS) {
    console.log(
      `note: ${inuse} TCP sockets of others are in use here and ${tw} in TIME_WAIT: ports and cores are shared, the figures will suffer`,
    );
  }

  const played = [];
  for (let round = 1; round <= rounds; round++) {
    for (const peer of peers) {
      const outcome = await playRound(peer, scale, round);
      played.push(outcome);
      console.log(formatRound(outcome));
      await delay(PAUSE_MS);
    }
  }
  const summary = summarize(peers, played);
  const measures = judge(scale, summary);
  if (Object.keys(summary).length > 0) console.log(`\n${formatTable(scale, peers, summary)}\n`);
  for (const { name, settings } of peers) console.log(`${name}: ${settings}`);
  console.log(`\n${formatMeasures(measures)}`);

  const failed = played.filter((outcome) => failureOf(outcome) !== undefined);
  for (const outcome of failed) console.log(`FAILED ${outcome.peer}, round ${outcome.round}: ${failureOf(outcome)}`);
  mkdirSync(dirname(file), { recursive: true });
  const report = {
    kind: "bench",
    version: 1,
    scale: scale.name,
    connections: scale.connections,
    portsPerSource: scale.portsPerSource,
    machine,
    peers: peers.map(({ name, settings, version }) => ({ name, settings, version })),
    absent,
    measures,
    summary,
    rounds: played,
  };
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  console.log(`\nwritten to ${file}`);
  return failed.length === 0 ? 0 : 1;
}

/** @returns what was asked for, or a sentence that says what is wrong with it */
function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        scale: { type: "string" },
        rounds: { type: "string" },
        peer: { type: "string", multiple: true },
        json: { type: "string" },
      },
    });
    const scale = SCALES[values.scale ?? ""];
    if (!scale) return values.scale === undefined ? "no scale is given" : `the scale "${values.scale}" is not known`;
    const rounds = values.rounds === undefined ? scale.rounds : Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) return `"${values.rounds}" is not a number of rounds`;
    return { scale, rounds, names: values.peer, file: values.json ?? `artifacts/bench-${scale.name}.json` };
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}
