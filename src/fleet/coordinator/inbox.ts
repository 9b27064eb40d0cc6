// What the coordinator of a run is sent: heartbeats and results of its agents, its own sign of life, and questions about
// the run. Messages of others than its agents are dropped.
import { type Bus, SUBJECTS } from "../bus.js";
import { type Beat, type Part, parseBeat, parsePart, type RunState } from "../messages.js";
import type { Member } from "./member.js";
import type { Kind } from "./roles/kind.js";

/** Handles what arrives. */
interface Receiver<K extends Kind> {
  beat(member: Member<K>, beat: Beat): void;
  part(member: Member<K>, part: Part): void;
  /** The coordinator's own sign of life has come back from NATS. */
  echo(): void;
  stop(): void;
  state(): RunState;
}

/** @returns a function that ends the subscriptions */
export function openInbox<K extends Kind>(
  bus: Bus,
  run: string,
  members: readonly Member<K>[],
  receiver: Receiver<K>,
): () => void {
  const byId = new Map(members.map((member) => [member.id, member]));
  const memberOf = (agent = "") => byId.get(agent);
  const unsubscribes = [
    bus.subscribe(SUBJECTS.beats(run), (message) => {
      const beat = parseBeat(message);
      const member = memberOf(beat?.agent);
      if (beat && member) receiver.beat(member, beat);
    }),
    bus.subscribe(SUBJECTS.parts(run), (message, answer) => {
      const part = parsePart(message);
      const member = memberOf(part?.agent);
      answer?.({});
      if (part && member) receiver.part(member, part);
    }),
    bus.subscribe(SUBJECTS.lease(run), () => receiver.echo()),
    bus.subscribe(SUBJECTS.runs, (_, answer) => answer?.(receiver.state())),
    bus.subscribe(SUBJECTS.stop(run), (_, answer) => {
      answer?.({});
      receiver.stop();
    }),
  ];
  return () => {
    for (const unsubscribe of unsubscribes) unsubscribe();
  };
}
