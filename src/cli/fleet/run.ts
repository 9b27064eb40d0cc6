// Runs the subcommands of `fourtuple fleet`.

import { agentsOf, askFleet, resultOf, runsOf, stopRun } from "../../fleet/runs.js";
import { print, printJson, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { connectSummary } from "../../output/text/connect-summary.js";
import { agentTable, runTable } from "../../output/text/fleet.js";
import { serveSummary } from "../../output/text/serve.js";

/** Options as parsed from the command line. */
export interface FleetCommandOptions {
  readonly nats: string;
  readonly creds?: string;
  readonly natsCa?: string;
  readonly json?: boolean;
}

/**
 * @param run id of the run, for `result` and `stop`
 * @returns the exit code
 */
export async function runFleet(
  what: "agents" | "runs" | "result" | "stop",
  run: string,
  { nats, creds, natsCa, json }: FleetCommandOptions,
): Promise<number> {
  const options = { servers: nats, creds, ca: natsCa };
  if (what === "stop") {
    await askFleet(options, (link) => stopRun(link, run));
    if (json) printJson({ run, stopped: true });
    else print(`run ${run} stops`);
    return 0;
  }
  if (what === "result") {
    const result = await askFleet(options, (link) => resultOf(link, run));
    if (json) printResult(result);
    else if (result.kind === "connect") printResult(connectSummary(result, paintFor(process.stdout)));
    else printResult(serveSummary(result, undefined, paintFor(process.stdout)));
    return isGood(result) ? 0 : 1;
  }
  if (what === "agents") {
    const agents = await askFleet(options, agentsOf);
    if (json) printJson({ agents });
    else print(agentTable(agents));
    return agents.length > 0 ? 0 : 1;
  }
  const runs = await askFleet(options, runsOf);
  if (json) printJson(runs);
  else print(runTable(runs.current, runs.kept));
  return 0;
}

function isGood(result: Awaited<ReturnType<typeof resultOf>>): boolean {
  return result.kind === "connect" ? result.isTargetMet : !result.fleet?.isPartial;
}
