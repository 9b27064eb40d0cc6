// Gives the connections of a lost agent to the others, as far as their ceilings allow.
import { weightedShares } from "../../util/share.js";
import { type Bus, SUBJECTS } from "../bus.js";
import { failureIn } from "../messages.js";
import type { Member } from "./member.js";
import { remainingSpec } from "./slice.js";

/** An agent prepares the connections before it answers. */
const ANSWER_MS = 10_000;

/**
 * @param others agents that are still part of the run
 * @param total connections of the whole run
 * @param elapsedMs time since the start of the run
 */
export async function redeal(
  bus: Bus,
  run: string,
  lost: Member,
  others: readonly Member[],
  total: number,
  elapsedMs: number,
): Promise<void> {
  const rooms = others.map(({ room }) => room);
  const room = rooms.reduce((sum, each) => sum + each, 0);
  if (room === 0) return;
  const shares = weightedShares(Math.min(room, lost.requested), rooms);
  await Promise.all(
    others.map(async (member, n) => {
      const share = shares[n]!;
      if (share === 0) return;
      const before = shares.slice(0, n).reduce((sum, each) => sum + each, 0);
      const spec = {
        ...remainingSpec(lost.spec, share, member.dealt.sourcePorts, elapsedMs),
        numberedBefore: (lost.spec.numberedBefore ?? 0) + before,
      };
      // Counted at once, so that a second loss does not deal the same room again.
      member.extra += share;
      lost.takenOver += share;
      const answer = await bus.request(SUBJECTS.agent(member.id), { ask: "extend", run, spec, total }, ANSWER_MS);
      if (answer !== undefined && failureIn(answer, member.name) === undefined) return;
      member.extra -= share;
      lost.takenOver -= share;
    }),
  );
}
