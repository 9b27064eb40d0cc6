// Counts the connections of a run whose data the peer's host does not acknowledge. A host acknowledges what arrives even
// if its program reads nothing, so such connections tell a broken path from a silent server.
import { sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import type { Targets } from "../../planning/targets.js";
import type { Unacknowledged } from "../../results/peer.js";
import { forEachSocket, stateMask } from "../../socket-table/table.js";
import { TIMER } from "../../socket-table/view.js";
import { COUNTER } from "../metrics.js";
import type { ConnectSettings } from "../settings.js";

/** A segment that is lost by chance is rarely lost twice more. */
const RETRANSMISSIONS = 2;
const OPEN = stateMask(["ESTABLISHED", "CLOSE_WAIT"]);
/** Maximum duration of the reading, which delays the end of the run. */
const READING_MS = 2000;
/** Far more of the open connections than those whose heartbeat a sound server is just answering. */
const SHARE_OF_HEARTBEATS = 0.01;
const CHECK_EVERY = 1024;

/** @returns undefined if the kernel does not tell */
export async function countUnacknowledged({ endpoints }: Targets): Promise<Unacknowledged | undefined> {
  const endMs = performance.now() + READING_MS;
  let [connections, unsent, visited, isLate] = [0, 0, 0, false];
  try {
    const { source } = await forEachSocket({ states: OPEN, remote: endpoints, info: true }, (socket) => {
      if (++visited % CHECK_EVERY === 0) isLate = performance.now() > endMs;
      if (socket.sendQueue > 0 && socket.timer === TIMER.retransmission) {
        if ((socket.info?.retransmits ?? 0) >= RETRANSMISSIONS) connections++;
      } else if (socket.sendQueue > 0 && socket.timer === TIMER.windowProbe) {
        // The timer also runs if a firewall of this host has dropped a segment, which then does not count as sent.
        const { unackedSegments = 1, sendWindowBytes = 0, sendMssBytes = 0 } = socket.info ?? {};
        if (unackedSegments === 0 && sendWindowBytes >= sendMssBytes) unsent++;
      }
      return !isLate;
    });
    return isLate || source !== "sock_diag" ? undefined : { connections, unsent, source };
  } catch {
    return undefined;
  }
}

/** Returns whether an open connection with a kernel socket may wait for an answer, or for room for a message. */
export function isWaiting({ message, transport }: ConnectSettings, memories: readonly WorkerMemory[]): boolean {
  if (transport === "packet") return false;
  const sum = (counter: number) => sumCounter(memories, counter);
  const unanswered = sum(COUNTER.sentHeartbeats) - sum(COUNTER.answeredHeartbeats);
  if (unanswered > SHARE_OF_HEARTBEATS * sum(COUNTER.open)) return true;
  if (!message) return false;
  if (sum(COUNTER.blockedMessages) > 0) return true;
  return (
    message.expected !== "none" &&
    sum(COUNTER.sentMessages) > sum(COUNTER.answeredMessages) + sum(COUNTER.unansweredMessages)
  );
}
