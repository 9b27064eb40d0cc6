// Gives the connections of a lost agent to the others, as far as their ceilings allow. What one of them does not take, the
// rest are asked to take.
import { randomBytes } from "node:crypto";
import { sum, weightedShares } from "../../../util/share.js";
import { type Bus, SUBJECTS } from "../../bus.js";
import { pause } from "../../pause.js";
import { failureIn } from "../../refusals.js";
import type { Member } from "../member.js";
import type { ClientKind } from "../roles/kind.js";
import type { Loss } from "../roles/role.js";
import { remainingSpecs } from "./slice.js";

/** An agent prepares the connections before it answers, and answers a repeated request like the first. */
const ANSWER_MS = 1000;
/** How long an agent may take to prepare them. */
const READY_MS = 60_000;
const PAUSE_MS = 100;

export function redeal(bus: Bus, loss: Loss<ClientKind>): Promise<void> {
  return give(bus, loss, loss.lost.requested, []);
}

/** @param refusers agents that have not taken these connections */
async function give(bus: Bus, loss: Loss<ClientKind>, connections: number, refusers: readonly Member[]): Promise<void> {
  const others = loss.others().filter((member) => !refusers.includes(member));
  const rooms = others.map(({ room }) => room);
  const room = sum(rooms);
  if (room === 0 || loss.isEnding()) return;
  const shares = weightedShares(Math.min(room, connections), rooms);
  const takers = others.flatMap((member, n) => (shares[n] === 0 ? [] : [{ member, connections: shares[n]! }]));
  const specs = remainingSpecs(
    loss.lost.spec,
    takers.map(({ member, connections }) => ({
      connections,
      sourcePorts: member.dealt.sourcePorts,
      sources: member.pool?.take(connections) ?? loss.spec.sources,
      clockOffsetMs: member.clock.offsetMs - loss.lost.clock.offsetMs,
    })),
    loss.elapsedMs(),
  );
  await Promise.all(
    takers.map(async ({ member, connections: share }, n) => {
      const request = {
        ask: "extend",
        run: loss.run,
        extension: randomBytes(4).toString("hex"),
        spec: specs[n]!,
        total: loss.spec.connections,
      };
      // Reserved at once, so that a second loss does not deal the same room again.
      member.pending += share;
      const isTaken = await extend(bus, loss, member, request);
      member.pending -= share;
      if (!isTaken) return give(bus, loss, share, [...refusers, member]);
      member.extra += share;
      loss.lost.takenOver += share;
      loss.onTaken();
    }),
  );
}

/** @returns whether the agent opens the connections; false if it refuses, is lost, or the run is ending */
async function extend(bus: Bus, loss: Loss<ClientKind>, member: Member, request: object): Promise<boolean> {
  const endMs = performance.now() + READY_MS;
  while (member.state === "active" && !loss.isEnding() && performance.now() < endMs) {
    try {
      const answer = await bus.request(SUBJECTS.agent(member.id), request, ANSWER_MS);
      if (answer !== undefined) return failureIn(answer) === undefined;
    } catch {
      // It is longer than NATS accepts.
      return false;
    }
    await pause(PAUSE_MS);
  }
  return false;
}
