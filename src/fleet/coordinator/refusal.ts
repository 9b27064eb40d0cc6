// Asks several agents, and makes one error of their refusals, so that a user who has to change something on each of them
// learns of all at once.
import { AppError } from "../../util/errors.js";
import { formatCount } from "../../util/units.js";

/** An agent's refusal, in its own words. */
interface Refusal {
  readonly agent: string;
  readonly error: AppError;
}

/** Stands for a refusal if an agent has answered something else than was asked. */
export const UNREADABLE = "its answer cannot be read";

const AGENTS_NAMED = 4;
const REASONS_GIVEN = 3;

/**
 * Asks agents at the same time.
 *
 * @param ask returns an agent's answer or refusal
 * @returns the answers, in the order of the agents
 * @throws {AppError} one error for all refusals
 */
export async function askAll<A extends { readonly name: string }, T>(
  agents: readonly A[],
  ask: (agent: A) => Promise<T | AppError>,
): Promise<T[]> {
  const answers = await Promise.all(agents.map(ask));
  const refusals = answers.flatMap((error, n) =>
    error instanceof AppError ? [{ agent: agents[n]!.name, error }] : [],
  );
  if (refusals.length > 0) throw toOneError(refusals);
  return answers as T[];
}

/**
 * Returns the error to report: agents that say the same are named together.
 * @param refusals at least one
 */
export function toOneError(refusals: readonly Refusal[]): AppError {
  const words = inWords(refusals.map(({ agent, error: { message } }) => ({ agent, reason: message })));
  const fixes = [...new Set(refusals.flatMap(({ error: { fix } }) => fix ?? []))].slice(0, REASONS_GIVEN);
  const { code } = refusals[0]!.error;
  return new AppError(code, words, fixes.length === 0 ? {} : { fix: fixes.join("; ") });
}

/** Returns what agents say, such as `agents a and b: busy with run 1; agent c: …`. */
export function inWords(said: readonly { readonly agent: string; readonly reason: string }[]): string {
  const reasons = [...new Set(said.map(({ reason }) => reason))];
  const words = reasons.slice(0, REASONS_GIVEN).map((reason) => {
    const saying = said.filter((each) => each.reason === reason);
    return `${namesOf(saying.map(({ agent }) => agent))}: ${reason}`;
  });
  const omitted = reasons.length - words.length;
  if (omitted > 0) words.push(`and ${formatCount(omitted)} more reasons`);
  return words.join("; ");
}

function namesOf(agents: readonly string[]): string {
  if (agents.length === 1) return `agent ${agents[0]}`;
  const omitted = agents.length - AGENTS_NAMED;
  if (omitted > 1) return `agents ${agents.slice(0, AGENTS_NAMED).join(", ")} and ${formatCount(omitted)} more`;
  return `agents ${agents.slice(0, -1).join(", ")} and ${agents.at(-1)}`;
}
