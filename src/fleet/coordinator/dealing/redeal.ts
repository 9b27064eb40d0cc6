// Gives the connections of a lost agent to the others, as far as their ceilings allow. What one of them does not take, the
// rest are asked to take.
import { randomBytes } from "node:crypto";
import { sum, weightedShares } from "../../../util/share.js";
import { formatDuration } from "../../../util/units.js";
import { type Bus, SUBJECTS } from "../../bus.js";
import { pause } from "../../pause.js";
import { failureIn } from "../../refusals.js";
import type { Member, Taken } from "../member.js";
import { inWords } from "../refusal.js";
import type { ClientKind } from "../roles/kind.js";
import type { Loss } from "../roles/role.js";
import { whyNoMore } from "./room.js";
import { remainingSpecs } from "./slice.js";

/** An agent prepares the connections before it answers, and answers a repeated request like the first. */
const ANSWER_MS = 1000;
/** How long an agent may take to prepare them. */
const READY_MS = 60_000;
const PAUSE_MS = 100;

export async function redeal(bus: Bus, loss: Loss<ClientKind>): Promise<void> {
  const { spec, clock, taken } = loss.lost;
  const own: Taken = { spec, fromMs: 0, clockOffsetMs: clock.offsetMs };
  // Each keeps the numbers of its connections.
  await Promise.all([own, ...taken].map((load) => give(bus, loss, load, new Map())));
}

/**
 * @param load that somebody else was to open
 * @param refusals why agents have not taken it
 */
async function give(
  bus: Bus,
  loss: Loss<ClientKind>,
  load: Taken,
  refusals: ReadonlyMap<Member, string>,
): Promise<void> {
  if (loss.isEnding()) return;
  const { connections } = load.spec;
  const others = loss.others().filter((member) => !refusals.has(member));
  const rooms = others.map(({ room }) => room);
  const room = sum(rooms);
  if (room < connections) loss.lost.untaken = whyNotTaken(others, refusals);
  if (room === 0) return;
  const shares = weightedShares(Math.min(room, connections), rooms);
  const takers = others.flatMap((member, n) => (shares[n] === 0 ? [] : [{ member, connections: shares[n]! }]));
  const fromMs = loss.elapsedMs();
  const specs = remainingSpecs(
    load.spec,
    takers.map(({ member, connections: share }) => ({
      connections: share,
      sourcePorts: member.dealt.sourcePorts,
      sources: member.pool?.take(share) ?? loss.spec.sources,
      clockOffsetMs: member.clock.offsetMs - load.clockOffsetMs,
    })),
    fromMs - load.fromMs,
  );
  await Promise.all(
    takers.map(async ({ member, connections: share }, n) => {
      const part: Taken = { spec: specs[n]!, fromMs, clockOffsetMs: member.clock.offsetMs };
      const request = {
        ask: "extend",
        run: loss.run,
        extension: randomBytes(4).toString("hex"),
        spec: part.spec,
        total: loss.spec.connections,
      };
      // Reserved at once, so that a second loss does not deal the same room again.
      member.pending += share;
      const refusal = await extend(bus, loss, member, request);
      member.pending -= share;
      if (refusal !== undefined) return give(bus, loss, part, new Map([...refusals, [member, refusal]]));
      member.extra += share;
      member.taken.push(part);
      loss.lost.takenOver += share;
      loss.onTaken();
    }),
  );
}

function whyNotTaken(others: readonly Member[], refusals: ReadonlyMap<Member, string>): string {
  const refused = [...refusals].map(([{ name: agent }, reason]) => ({ agent, reason }));
  const words = refused.length === 0 ? [] : [inWords(refused)];
  if (others.length > 0 || words.length === 0) words.push(whyNoMore(others.map((member) => member.asHolder())));
  return words.join("; ");
}

/** @returns why the agent does not open the connections; undefined if it does */
async function extend(bus: Bus, loss: Loss<ClientKind>, member: Member, request: object): Promise<string | undefined> {
  const endMs = performance.now() + READY_MS;
  while (member.state === "active" && !loss.isEnding() && performance.now() < endMs) {
    try {
      const answer = await bus.request(SUBJECTS.agent(member.id), request, ANSWER_MS);
      const refusal = failureIn(answer)?.message;
      // An agent that was lost since is not asked for what it has taken.
      if (answer !== undefined && (refusal !== undefined || member.state === "active")) return refusal;
    } catch (error) {
      // It is longer than NATS accepts.
      return (error as Error).message;
    }
    await pause(PAUSE_MS);
  }
  return member.state === "active" ? `not ready within ${formatDuration(READY_MS)}` : "it was lost, too";
}
