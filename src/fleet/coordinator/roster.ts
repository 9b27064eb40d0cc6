// Finds the agents for a run, and refuses those that cannot take part.
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../../util/errors.js";
import { plural } from "../../util/units.js";
import { type Bus, SUBJECTS } from "../bus.js";
import { type Announcement, parseAnnouncement, parseIdentity } from "../messages.js";

/** How long agents have to answer. */
const ANSWER_MS = 1000;
/** How long a coordinator waits for the number of agents asked for. */
export const GATHER_MS = 30_000;
const START_ONE = "start one on each machine: fourtuple agent --nats URL";

/** Returns the announcements of all agents, by name. Names that occur more than once are made unique. */
export async function listAgents(bus: Bus, most?: number): Promise<Announcement[]> {
  return named(await bus.gather(SUBJECTS.agents, {}, ANSWER_MS, most));
}

function named(answers: readonly unknown[]): Announcement[] {
  const found = answers.map(parseAnnouncement).filter((agent) => agent !== undefined);
  const byId = [...new Map(found.map((agent) => [agent.id, agent])).values()];
  const isShared = (name: string) => byId.filter((agent) => agent.name === name).length > 1;
  return byId
    .map((agent) => (isShared(agent.name) ? { ...agent, name: `${agent.name}-${agent.id}` } : agent))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Returns the idle agents.
 *
 * @param wanted number of idle agents to wait for; undefined for those that answer at once
 * @param version the coordinator's version of fourtuple
 * @throws {AppError} E_FLEET if there are too few, or one has another version
 */
export async function findAgents(bus: Bus, wanted: number | undefined, version: string): Promise<Announcement[]> {
  const endMs = performance.now() + GATHER_MS;
  for (let most = wanted; ; most = undefined) {
    // As many answers as needed are enough, unless some of them are from busy agents.
    const answers = await bus.gather(SUBJECTS.agents, {}, ANSWER_MS, most);
    const all = named(answers);
    const idle = all.filter(({ run }) => run === undefined);
    const isLate = performance.now() >= endMs;
    if (idle.length >= (wanted ?? 1)) {
      const chosen = idle.slice(0, wanted ?? idle.length);
      assertSameVersion(chosen, version);
      return chosen;
    }
    if (wanted === undefined || isLate) {
      assertSameVersion(unreadable(answers), version);
      throw tooFew(all, idle.length, wanted);
    }
    await delay(Math.min(200, Math.max(0, endMs - performance.now())));
  }
}

/** Returns the agents whose version announces itself in another way. */
function unreadable(answers: readonly unknown[]): Pick<Announcement, "name" | "version">[] {
  const others = answers.filter((answer) => parseAnnouncement(answer) === undefined);
  return others.map(parseIdentity).filter((agent) => agent !== undefined);
}

function assertSameVersion(agents: readonly Pick<Announcement, "name" | "version">[], version: string): void {
  const other = agents.find((agent) => agent.version !== version);
  if (!other) return;
  throw new AppError(
    "E_FLEET",
    `agent ${other.name} has version ${other.version} of fourtuple, and this coordinator ${version}`,
    { fix: "install the same version on both" },
  );
}

function tooFew(all: readonly Announcement[], idle: number, wanted: number | undefined): AppError {
  const busy = all.filter(({ run }) => run !== undefined);
  if (all.length === 0) return new AppError("E_FLEET", "no agents answered", { fix: START_ONE });
  const words = busy.map(({ name, run }) => `${name} with run ${run}`).join(", ");
  if (wanted === undefined) {
    return new AppError("E_FLEET", `all agents are busy: ${words}`, {
      fix: "wait until that run has ended, or stop it: fourtuple fleet stop",
    });
  }
  const also = busy.length > 0 ? `; busy: ${words}` : "";
  return new AppError(
    "E_FLEET",
    `${plural(idle, "idle agent")} of ${wanted} answered within ${GATHER_MS / 1000} s${also}`,
    {
      fix: START_ONE,
    },
  );
}
