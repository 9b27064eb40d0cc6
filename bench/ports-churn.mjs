// Counts held connections while others are opened and closed: 50,000 are held while 5,000 per second are opened and
// closed. Every pass over the table must count exactly the held connections at both ends.
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

const { connect, serve, socketTable } = await import("../dist/index.js");

const { values } = parseArgs({
  options: {
    held: { type: "string", default: "50000" },
    // Slightly above the 5,000 wanted, because each turn from up to down takes a moment.
    rate: { type: "string", default: "5400" },
    seconds: { type: "string", default: "30" },
  },
});
const held = Number(values.held);
const AT = "127.0.0.1:7777";
const CHURN_AT = "127.0.0.1:7778";

const servers = [await serve({ at: AT }), await serve({ at: CHURN_AT })];
const client = await connect({ to: AT, connections: held, durationMs: 600_000 });
while (servers[0].snapshot().open < held) await delay(50);

// One run that goes up and down: every other step opens this many connections, and the step after it closes them.
const seconds = Number(values.seconds);
const STEP_MS = 200;
const perStep = (Number(values.rate) * STEP_MS * 2) / 1000;
const churn = await connect({
  to: CHURN_AT,
  stages: Array.from({ length: Math.ceil((seconds * 1000) / STEP_MS) + 1 }, (_, step) => ({
    durationMs: STEP_MS,
    target: step % 2 === 0 ? perStep : 0,
  })),
  durationMs: 1,
  close: "rst",
});

const start = performance.now();
let readings = 0;
const wrong = [];
while (performance.now() - start < seconds * 1000) {
  const table = await socketTable({ ip: "127.0.0.1", port: 7777, states: ["ESTABLISHED"] });
  readings++;
  if (table.incoming !== held || table.outgoing !== held) wrong.push(`${table.incoming} and ${table.outgoing}`);
}
const churned = churn.snapshot().established / ((performance.now() - start) / 1000);
console.log(
  `${held} held, ${Math.round(churned)}/s opened and closed meanwhile: ${readings} readings in ${seconds} s, ${wrong.length} not exact`,
);
if (wrong.length > 0) console.log(`counted instead: ${wrong.slice(0, 10).join("; ")}`);
await churn.stop();
await client.stop();
for (const server of servers) await server.stop();
process.exitCode = wrong.length > 0 ? 1 : 0;
