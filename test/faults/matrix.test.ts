// The fault matrix. For each limit, makes it the binding one, records the prediction, then drives a run into it. The
// diagnosis must always name the right limit, and a predictable ceiling must be within 2%.
import { writeFileSync } from "node:fs";
import { arch, release } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import type { EngineChoice } from "../../src/results/engine.js";
import { ENGINES } from "../../src/results/identifiers.js";
import { canMakeNamespaces } from "../support/namespace.js";
import { hasProgram } from "../support/process.js";
import { hasUring } from "../support/ring.js";
import { DESCRIPTORS } from "./descriptors.js";
import { PATH } from "./path.js";
import { PEERS } from "./peers.js";
import { PORTS } from "./ports.js";
import { offBy, type Row, runScenario, type Scenario, table } from "./scenario.js";

const TOLERANCE = 0.02;
const rows: Row[] = [];
const isRoot = canMakeNamespaces();
/** Each engine takes minutes, so only a run that writes the table tries both. */
const triesBoth = process.env.FAULTS_TABLE !== undefined;
if (!triesBoth) console.warn("skipped: the limits with each engine (set FAULTS_TABLE=file.md to try both)");

function withEngines(scenario: Scenario): [Scenario, EngineChoice][] {
  if (!triesBoth) return [[scenario, scenario.engine ?? "auto"]];
  const engines = ENGINES.filter((engine) => (scenario.engine ?? engine) === engine);
  return engines.map((engine) => [scenario, engine]);
}

/** Returns the text above the table in docs/. */
function heading(): string {
  return `# The fault matrix

Each row is a test. It makes one limit the lowest, records the prediction of \`doctor --for fourtuple\`, then runs into the limit and
counts the connections with \`ss\`. It does so once with each engine at both ends. Both engines have to hit the same limit, except that io_uring
needs neither descriptors nor epoll watches. A dash marks a number that cannot be predicted. \`npm run test:faults\` (as root) regenerates this page.

Linux ${release().split(".", 2).join(".")}, ${arch()}, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}.`;
}

describe.skipIf(!isRoot)("the binding limit is predicted and named", () => {
  afterAll(() => {
    const text = table(rows);
    console.log(`\n${text}\n`);
    if (process.env.FAULTS_TABLE) writeFileSync(process.env.FAULTS_TABLE, `${heading()}\n\n${text}\n`);
  });

  const scenarios = [...DESCRIPTORS, ...PORTS, ...PEERS, ...PATH];
  for (const [scenario, engine] of scenarios.flatMap(withEngines)) {
    const isMissing = (scenario.programs ?? []).some((name) => !hasProgram(name)) || (engine === "uring" && !hasUring);
    it.skipIf(isMissing)(
      `${scenario.name} (${engine})`,
      async () => {
        const played = await runScenario(scenario, engine);
        rows.push(played);
        expect(played.diagnosis.finding, JSON.stringify(played.diagnosis)).toMatchObject({
          limit: scenario.limit,
          whose: scenario.whose,
        });
        if (!scenario.isPredictable) return;
        expect(played.predictedLimit).toBe(scenario.predicts ?? scenario.limit);
        expect(played.prediction.isTargetMet).toBe(false);
        const off = Math.abs(offBy(played.predicted!, played.reached));
        expect(off, `${played.predicted} predicted, ${played.reached} reached`).toBeLessThanOrEqual(TOLERANCE);
      },
      360_000,
    );
  }
});
