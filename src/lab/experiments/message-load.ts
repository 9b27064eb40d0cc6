// E6: held connections carry traffic: messages over all of them, each one answered, and their latency as the number of connections
// grows.
import type { Evidence } from "../../results/lab/evidence.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { type Experiment, type LabContext, PORT } from "../experiment.js";
import { type CrowdResult, jsonOf, startServer } from "../observe/client-load.js";
import { commandOf, END_BY_HAND } from "../reproduce.js";

const SIZES = { quick: [500, 2000, 6000], full: [1000, 5000, 20_000, 50_000] } as const;
const SECONDS = { quick: 3, full: 10 } as const;
/** A connection's first message is due after one interval, and before two are over. */
const INTERVALS = 2;

export const livingCrowd: Experiment = {
  id: "E6",
  title: "A held crowd is alive",
  claims: ["C4"],
  claim: "Connections that share a port are each alive: messages go and come over all of them, and none is lost.",
  // The largest crowd's at the least, whatever the rate that was asked for.
  quickMs: ({ messageRatePerSec }) => 8000 + (1000 * INTERVALS * SIZES.quick.at(-1)!) / messageRatePerSec,
  async run(context) {
    const { place, isQuick, messageRatePerSec } = context;
    const at = `${place.description.serverIp}:${PORT}`;
    const server = await startServer({ place }, at, ["--mode", "echo", "--log", "none"]);
    const commands = [server.command];
    const results: CrowdResult[] = [];
    for (const size of isQuick ? SIZES.quick : SIZES.full) results.push(await exchange(context, at, size, commands));
    await server.end();
    const total = (of: (result: CrowdResult) => number) => results.reduce((sum, result) => sum + of(result), 0);
    const lost = total((result) => result.lost + result.failed);
    const gone = total((result) => result.lost);
    const sent = total(({ traffic }) => traffic.sentMessages);
    const answered = total(({ traffic }) => traffic.answeredMessages);
    const asked = total((result) => result.asked);
    const heard = total(({ traffic }) => traffic.answeringConnections ?? 0);
    const isConfirmed = lost === 0 && answered === sent && heard === asked;
    const p50 = results.map(({ latency }) => formatDuration(latency.roundTrip.p50Us / 1000));
    const p99 = results.map(({ latency }) => formatDuration(latency.roundTrip.p99Us / 1000));
    return {
      setup: `an echo server; crowds of ${results.map((result) => formatCount(result.asked)).join(", ")} send up to ${formatCount(messageRatePerSec)} messages a second in all; then no more are sent, and what is on its way comes back`,
      commands: [...commands, END_BY_HAND],
      prediction:
        "every connection is heard, none is lost, and every message is answered, whatever the size of the crowd",
      observed: `${formatCount(heard)} of ${formatCount(asked)} connections answered, ${formatCount(lost)} lost; ${formatCount(answered)} of ${formatCount(sent)} messages answered; round trip p50 ${p50.join(" → ")}, p99 ${p99.join(" → ")} as the crowd grows`,
      verdict: isConfirmed ? "confirmed" : gone > 0 || answered < sent ? "refuted" : "inconclusive",
      // What was not answered in time may have been on its way; a connection that was lost is lost.
      isTimed: gone === 0,
      reason: isConfirmed
        ? undefined
        : `${formatCount(lost)} connections were lost, ${formatCount(asked - heard)} answered nothing, ${formatCount(sent - answered)} messages stayed without an answer`,
      evidence: evidenceOf(results),
    };
  },
};

/** Opens a crowd that sends, and waits for its end: `connect` stops sending first, and waits for answers on their way. */
async function exchange(
  { place, isQuick, messageRatePerSec, progress }: LabContext,
  at: string,
  size: number,
  commands: string[],
): Promise<CrowdResult> {
  progress(`${formatCount(size)} connections exchange messages`);
  const rate = messageRatePerSec / size;
  const seconds = Math.ceil(Math.max(isQuick ? SECONDS.quick : SECONDS.full, INTERVALS / rate));
  const crowd = [at, "-c", `${size}`, "--source-ip", place.description.clientIps];
  const line = ["connect", ...crowd, "-m", "ping", "-r", `${Number(rate.toPrecision(6))}`, "-T", `${seconds}s`];
  const command = commandOf(line);
  commands.push(command);
  return jsonOf<CrowdResult>(place.client.run([...line, "--close", "rst", "--authorized", "--json"]), command);
}

function evidenceOf(results: readonly CrowdResult[]): Evidence[] {
  return [
    {
      kind: "latency",
      title: "Round trip by the size of the crowd",
      rows: results.map(({ asked, latency }) => ({
        name: `${formatCount(asked)} connections`,
        summary: latency.roundTrip,
      })),
    },
    {
      kind: "series",
      title: "Round trip as the crowd grows",
      x: { name: "connections", unit: "" },
      y: { name: "round trip", unit: "ms" },
      lines: (["p50Us", "p99Us"] as const).map((percentile) => ({
        name: percentile === "p50Us" ? "p50" : "p99",
        points: results.map(({ asked, latency }) => [asked, latency.roundTrip[percentile] / 1000] as const),
      })),
    },
    {
      kind: "table",
      title: "Connections and messages",
      columns: ["connections", "of them answered", "lost", "messages sent", "answered"],
      rows: results.map(({ asked, lost, failed, traffic }) => [
        asked,
        traffic.answeringConnections ?? 0,
        lost + failed,
        traffic.sentMessages,
        traffic.answeredMessages,
      ]),
    },
  ];
}
