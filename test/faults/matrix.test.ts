// The fault matrix: every limit is really made the binding one, the prediction is written down first, then a run is driven
// into it. The limit named must be right every time, the ceiling within 2 % where a number can be told beforehand.
import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { canMakeNamespaces } from "../support/namespace.js";
import { hasProgram } from "../support/process.js";
import { DESCRIPTORS } from "./descriptors.js";
import { PATH } from "./path.js";
import { PEERS } from "./peers.js";
import { PORTS } from "./ports.js";
import { offBy, play, type Row, table } from "./scenario.js";

const TOLERANCE = 0.02;
const rows: Row[] = [];
const isRoot = canMakeNamespaces();

describe.skipIf(!isRoot)("a limit that binds is predicted and named", () => {
  afterAll(() => {
    const text = table(rows);
    console.log(`\n${text}\n`);
    if (process.env.FAULTS_TABLE) writeFileSync(process.env.FAULTS_TABLE, `${text}\n`);
  });

  for (const scenario of [...DESCRIPTORS, ...PORTS, ...PEERS, ...PATH]) {
    const isMissing = (scenario.programs ?? []).some((name) => !hasProgram(name));
    it.skipIf(isMissing)(
      scenario.name,
      async () => {
        const played = await play(scenario);
        rows.push(played);
        expect(played.diagnosis.finding, JSON.stringify(played.diagnosis)).toMatchObject({
          limit: scenario.limit,
          whose: scenario.whose,
        });
        if (!scenario.isPredictable) return;
        expect(played.predictedLimit).toBe(scenario.limit);
        expect(played.prediction.isTargetMet).toBe(false);
        const off = Math.abs(offBy(played.predicted!, played.reached));
        expect(off, `${played.predicted} predicted, ${played.reached} reached`).toBeLessThanOrEqual(TOLERANCE);
      },
      120_000,
    );
  }
});
