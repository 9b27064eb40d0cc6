// What can be asked of a fleet beside a run: its agents, its runs, the result of one, and its end.

import { explained } from "../diagnosis/explain.js";
import type { ConnectResult } from "../results/connect.js";
import type { Explained } from "../results/diagnosis.js";
import { parseResult } from "../results/parse.js";
import type { ServeResult } from "../results/serve.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { plural } from "../util/units.js";
import { type Bus, SUBJECTS } from "./bus.js";
import { recoverResult } from "./coordinator/result/recover.js";
import { listAgents } from "./coordinator/roster.js";
import { type Announcement, parseRunState, type RunState } from "./messages.js";
import { connectNats, type Link } from "./nats/link.js";
import type { NatsOptions } from "./options.js";
import { KEYS, type RunStore } from "./store.js";

const ANSWER_MS = 1000;

/** A run that has ended, or whose coordinator is gone. */
export interface KeptRun {
  readonly run: string;
  /** Undefined if what is kept cannot be read. */
  readonly startedAt: string | undefined;
  /** Connections; undefined for a run that serves. */
  readonly requested: number | undefined;
  /** Whether its result is complete; if not, it can be put together from the parts of its agents. */
  readonly hasResult: boolean;
}

/**
 * Connects to NATS for the duration of one question.
 * @throws {AppError} E_OPTION, E_FLEET
 */
export async function askFleet<T>(options: NatsOptions, ask: (link: Link) => Promise<T>): Promise<T> {
  const link = await connectNats(options, "fourtuple fleet");
  try {
    return await ask(link);
  } finally {
    await link.bus.close();
  }
}

export const agentsOf = ({ bus }: Link): Promise<Announcement[]> => listAgents(bus);

/** Returns the runs in progress, and those that are kept. */
export async function runsOf({ bus, store }: Link): Promise<{ current: RunState[]; kept: KeptRun[] }> {
  const current = await currentRuns(bus);
  const kept = await keptRuns(store);
  return { current, kept: kept.filter(({ run }) => !current.some((each) => each.run === run)) };
}

async function currentRuns(bus: Bus): Promise<RunState[]> {
  const answers = await bus.gather(SUBJECTS.runs, {}, ANSWER_MS);
  return answers.map(parseRunState).filter((state) => state !== undefined);
}

async function keptRuns(store: RunStore): Promise<KeptRun[]> {
  const keys = await store.keys();
  const ids = keys.filter((key) => key.endsWith(".plan")).map((key) => key.split(".")[0]!);
  const runs = await Promise.all(
    ids.map(async (run): Promise<KeptRun> => {
      const { startedAt, facts } = await planOf(store, run);
      const hasResult = keys.includes(KEYS.result(run));
      return { run, startedAt, requested: facts?.spec?.connections, hasResult };
    }),
  );
  return runs.sort((a, b) => ((a.startedAt ?? "") < (b.startedAt ?? "") ? -1 : 1));
}

/** What is shown of a run's plan. */
interface PlanHead {
  readonly startedAt?: string;
  readonly facts?: { readonly spec?: { readonly connections?: number } };
}

/** Returns an empty plan if it cannot be read: the other runs are listed all the same. */
async function planOf(store: RunStore, run: string): Promise<PlanHead> {
  return ((await store.get(KEYS.plan(run)).catch(() => undefined)) ?? {}) as PlanHead;
}

/**
 * Returns the result of a run. If its coordinator died, the result is put together from what the agents stored.
 * @throws {AppError} E_FLEET if there is none, or it cannot be read
 */
export async function resultOf(
  { bus, store }: Link,
  run: string,
): Promise<Explained<ConnectResult> | Explained<ServeResult>> {
  checkId(run);
  if (store.obstacle !== undefined) {
    throw new AppError("E_FLEET", `no results are kept: ${store.obstacle}`, {
      fix: "start it with: nats-server --jetstream",
    });
  }
  const kept = await store.get(KEYS.result(run));
  if (kept !== undefined) return explained(parseResult(kept, ["connect", "serve"], `the result of run ${run}`));
  await assertEnded(bus, run);
  const recovered = await recoverResult(store, run);
  if (recovered) return recovered;
  throw new AppError("E_FLEET", `no result of run ${quoted(run)} is kept`, {
    fix: "list those that are: fourtuple fleet runs",
  });
}

/** @throws {AppError} E_FLEET if the run has a coordinator, or agents that have not noticed the end of theirs */
async function assertEnded(bus: Bus, run: string): Promise<void> {
  const [current, agents] = await Promise.all([currentRuns(bus), listAgents(bus)]);
  if (current.some((each) => each.run === run)) {
    throw new AppError("E_FLEET", `run ${run} is in progress`, {
      fix: "wait for its end, or stop it: fourtuple fleet stop",
    });
  }
  const busy = agents.filter((agent) => agent.run === run);
  if (busy.length === 0) return;
  throw new AppError(
    "E_FLEET",
    `run ${run} has lost its coordinator, and ${plural(busy.length, "agent")} still ${busy.length === 1 ? "takes" : "take"} part in it`,
    {
      fix: "ask again in a few seconds: agents stop when their lease runs out",
    },
  );
}

/** @throws {AppError} E_FLEET if no coordinator has that run */
export async function stopRun({ bus }: Link, run: string): Promise<void> {
  checkId(run);
  if ((await bus.request(SUBJECTS.stop(run), {}, ANSWER_MS)) !== undefined) return;
  throw new AppError("E_FLEET", `no coordinator answers for run ${quoted(run)}`, {
    fix: "if it died, its agents stop by themselves when their lease runs out",
  });
}

/** Ids are parts of subjects and keys. */
function checkId(run: string): void {
  if (/^[\w-]{1,32}$/.test(run)) return;
  throw new AppError("E_OPTION", `${quoted(run)} is not the id of a run`, { fix: "list them: fourtuple fleet runs" });
}
