// W13, reading a table of 100,000 sockets: `fourtuple ports` as text and JSON compared with ss, and the cost of 20
// passes per second in one process, as --watch would make them.
import { fileURLToPath } from "node:url";
import { formatNumber } from "./format.mjs";
import { CLI, hold, PORT, SS_ROWS_COMMAND } from "./ports.mjs";
import { runWhole, WHOLE_PROCESS_METRICS } from "./whole-process.mjs";

const CONNECTIONS = 50_000;
const DEADLINE_MS = 60_000;
const READINGS = 60;
const EVERY_MS = 50;
const TEXT = "fourtuple";
const JSON_TEXT = "fourtuple-json";
const WATCH = "fourtuple-watch";
const SS = "ss";
const DIST = fileURLToPath(new URL("../dist/", import.meta.url));

const WATCHING = `const { readOverview } = await import(${JSON.stringify(`${DIST}socket-table/overview.js`)});
const { Churn } = await import(${JSON.stringify(`${DIST}socket-table/churn.js`)});
const filter = { port: ${PORT} };
const churn = new Churn({ either: { ports: [{ first: ${PORT}, last: ${PORT} }] } });
const read = async () => {
  const { tables } = await readOverview({ cover: filter, tables: [filter], churn });
  churn.rates();
  return tables[0];
};
// The first readings include compiling the code.
for (let i = 0; i < 10; i++) await read();
const [startMs, before] = [performance.now(), process.cpuUsage()];
let table;
for (let i = 1; i <= ${READINGS}; i++) {
  table = await read();
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, startMs + i * ${EVERY_MS} - performance.now())));
}
const { user, system } = process.cpuUsage(before);
const seconds = (performance.now() - startMs) / 1000;
console.log(JSON.stringify({ counted: table.byState.ESTABLISHED, source: table.source, share: (user + system) / 1e6 / seconds, perSec: ${READINGS} / seconds }));`;

/**
 * @param {string} name
 * @param {string} settings
 * @param {string[]} command
 * @param {(output: string) => object} parse returns at least `counted`, the number of sockets
 */
const reader = (name, settings, command, parse) => ({
  name,
  settings,
  make: () => ({ version: "", server: [], client: [], command, parse }),
});

/** @type {import("./workloads.mjs").Workload} */
export const READING = {
  name: "W13",
  title: `readings of a table of ${formatNumber(2 * CONNECTIONS)} sockets, both ends here`,
  rounds: 5,
  connections: CONNECTIONS,
  baseline: SS,
  contenders: [
    reader(TEXT, `fourtuple ports :${PORT}`, [...CLI, "ports", `:${PORT}`], (output) => ({
      // The first line contains the number of accepted sockets.
      counted: 2 * Number(/^[\d,]+/.exec(output)?.[0].replaceAll(",", "")),
    })),
    reader(JSON_TEXT, `fourtuple ports :${PORT} --json`, [...CLI, "ports", `:${PORT}`, "--json"], (output) => ({
      counted: JSON.parse(output).byState.ESTABLISHED,
      source: JSON.parse(output).source,
    })),
    reader(
      WATCH,
      "readings for --watch, 20 a second",
      [process.execPath, "--input-type=module", "-e", WATCHING],
      (output) => JSON.parse(output),
    ),
    reader(SS, SS_ROWS_COMMAND, ["sh", "-c", SS_ROWS_COMMAND], (output) => ({ counted: Number(output) })),
  ],
  metrics: {
    ...WHOLE_PROCESS_METRICS,
    share: {
      label: "20 readings a second, of one core",
      format: (value) => value.toFixed(3),
      of: (/** @type {any} */ { share }) => share,
    },
  },
  measures: [
    { title: "CPU, text ÷ ss's", wanted: { atMost: 0.8 }, of: { metric: "cpuSeconds", against: SS } },
    {
      title: "CPU, JSON ÷ ss's",
      wanted: { atMost: 0.8 },
      of: { metric: "cpuSeconds", against: SS, contender: JSON_TEXT },
    },
    { title: "time, text ÷ ss's", wanted: { atMost: 1 }, of: { metric: "seconds", against: SS } },
    { title: "time, JSON ÷ ss's", wanted: { atMost: 1 }, of: { metric: "seconds", against: SS, contender: JSON_TEXT } },
    { title: "20 readings a second, of one core", wanted: { atMost: 0.3 }, of: { metric: "share", contender: WATCH } },
  ],
  prepare: ({ atMost }) => hold(Math.min(CONNECTIONS, atMost)),
  run,
};

/**
 * @param {import("./contenders.mjs").Contender} contender
 * @param {number} round
 * @param {{ held: number }} prepared
 */
async function run({ name, command, parse }, round, { held }) {
  const about = { contender: name, round };
  try {
    const { output, ...cost } = await runWhole(command, DEADLINE_MS);
    const { counted, ...told } = parse(output);
    const isRight = counted === 2 * held;
    const error = isRight ? {} : { error: `it counted ${counted} instead of ${2 * held}` };
    return { ...about, ...cost, counted, ...told, ...error };
  } catch (error) {
    return { ...about, error: /** @type {Error} */ (error).message };
  }
}
