// Gives the connections of a lost agent to the others, as far as their ceilings allow.
import { weightedShares } from "../../../util/share.js";
import { type Bus, SUBJECTS } from "../../bus.js";
import { failureIn } from "../../messages.js";
import type { ClientKind } from "../roles/kind.js";
import type { Loss } from "../roles/role.js";
import { remainingSpecs } from "./slice.js";

/** An agent prepares the connections before it answers. */
const ANSWER_MS = 10_000;

export async function redeal(
  bus: Bus,
  { run, spec: { connections: total }, lost, others, elapsedMs }: Loss<ClientKind>,
): Promise<void> {
  const rooms = others.map(({ room }) => room);
  const room = rooms.reduce((sum, each) => sum + each, 0);
  if (room === 0) return;
  const shares = weightedShares(Math.min(room, lost.requested), rooms);
  const takers = others.flatMap((member, n) => (shares[n] === 0 ? [] : [{ member, connections: shares[n]! }]));
  const specs = remainingSpecs(
    lost.spec,
    takers.map(({ member, connections }) => ({ connections, sourcePorts: member.dealt.sourcePorts })),
    elapsedMs,
  );
  await Promise.all(
    takers.map(async ({ member, connections }, n) => {
      // Reserved at once, so that a second loss does not deal the same room again.
      member.pending += connections;
      const request = { ask: "extend", run, spec: specs[n]!, total };
      const answer = await bus.request(SUBJECTS.agent(member.id), request, ANSWER_MS);
      member.pending -= connections;
      if (answer === undefined || failureIn(answer, member.name) !== undefined) return;
      member.extra += connections;
      lost.takenOver += connections;
    }),
  );
}
