// E6: traffic over held connections. The experiment sends messages over all connections, checks that each is
// answered, and measures latency as the number of connections grows.
import type { Evidence } from "../../results/lab/evidence.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { type Experiment, type LabContext, PORT } from "../experiment.js";
import { type ClientLoadResult, jsonOf, startServer } from "../observe/client-load.js";
import { commandOf, END_BY_HAND } from "../reproduce.js";

const SIZES = { quick: [500, 2000, 6000], full: [1000, 5000, 20_000, 50_000] } as const;
const SECONDS = { quick: 3, full: 10 } as const;
/** A connection's first message is due after one to two intervals. */
const INTERVALS = 2;

export const livingLoad: Experiment = {
  id: "E6",
  title: "Held connections are alive",
  claims: ["C4"],
  claim: "All connections that share a port are alive: messages travel both ways on each of them, and none is lost.",
  // Use at least the time that the largest number of connections needs at the requested rate.
  quickMs: ({ messageRatePerSec }) => 7000 + (1000 * INTERVALS * SIZES.quick.at(-1)!) / messageRatePerSec,
  async run(context) {
    const { testbed, isQuick, messageRatePerSec } = context;
    const at = `${testbed.description.serverIp}:${PORT}`;
    const server = await startServer({ testbed }, at, ["--mode", "echo", "--log", "none"]);
    const commands = [server.command];
    const results: ClientLoadResult[] = [];
    for (const size of isQuick ? SIZES.quick : SIZES.full) results.push(await exchange(context, at, size, commands));
    await server.end();
    const total = (of: (result: ClientLoadResult) => number) => results.reduce((sum, result) => sum + of(result), 0);
    const lost = total((result) => result.lost + result.failed);
    const gone = total((result) => result.lost);
    const sent = total(({ traffic }) => traffic.sentMessages);
    const answered = total(({ traffic }) => traffic.answeredMessages);
    const requested = total((result) => result.requested);
    const heard = total(({ traffic }) => traffic.answeringConnections ?? 0);
    const isConfirmed = lost === 0 && answered === sent && heard === requested;
    const p50 = results.map(({ latency }) => formatDuration(latency.roundTrip.p50Us / 1000));
    const p99 = results.map(({ latency }) => formatDuration(latency.roundTrip.p99Us / 1000));
    return {
      setup: `an echo server; ${results.map((result) => formatCount(result.requested)).join(", ")} connections send up to ${formatCount(messageRatePerSec)} messages per second in total; then sending stops, and the run waits for outstanding answers`,
      commands: [...commands, END_BY_HAND],
      prediction:
        "every connection answers, none is lost, and every message is answered, however many connections there are",
      observed: `${formatCount(heard)} of ${formatCount(requested)} connections answered, ${formatCount(lost)} lost; ${formatCount(answered)} of ${formatCount(sent)} messages answered; round trip p50 ${p50.join(" → ")}, p99 ${p99.join(" → ")} as the number of connections grows`,
      verdict: isConfirmed ? "confirmed" : gone > 0 || answered < sent ? "refuted" : "inconclusive",
      // A missing answer may have been in flight at the deadline, but a lost connection is lost.
      isTimed: gone === 0,
      reason: isConfirmed
        ? undefined
        : `${formatCount(lost)} connections were lost, ${formatCount(requested - heard)} answered nothing, ${formatCount(sent - answered)} messages were not answered`,
      evidence: evidenceOf(results),
    };
  },
};

/** Runs a client that sends messages. At the end, `connect` stops sending and waits for outstanding answers. */
async function exchange(
  { testbed, isQuick, messageRatePerSec, progress }: LabContext,
  at: string,
  size: number,
  commands: string[],
): Promise<ClientLoadResult> {
  progress(`${formatCount(size)} connections exchange messages`);
  const rate = messageRatePerSec / size;
  const seconds = Math.ceil(Math.max(isQuick ? SECONDS.quick : SECONDS.full, INTERVALS / rate));
  const args = [at, "-c", `${size}`, "--source-ip", testbed.description.clientIps];
  const line = ["connect", ...args, "-m", "ping", "-r", `${Number(rate.toPrecision(6))}`, "-T", `${seconds}s`];
  const command = commandOf(line);
  commands.push(command);
  return jsonOf<ClientLoadResult>(testbed.client.run([...line, "--close", "rst", "--authorized", "--json"]), command);
}

function evidenceOf(results: readonly ClientLoadResult[]): Evidence[] {
  return [
    {
      kind: "latency",
      title: "Round trip by number of connections",
      rows: results.map(({ requested, latency }) => ({
        name: `${formatCount(requested)} connections`,
        summary: latency.roundTrip,
      })),
    },
    {
      kind: "series",
      title: "Round trip as the number of connections grows",
      x: { name: "connections", unit: "" },
      y: { name: "round trip", unit: "ms" },
      lines: (["p50Us", "p99Us"] as const).map((percentile) => ({
        name: percentile === "p50Us" ? "p50" : "p99",
        points: results.map(({ requested, latency }) => [requested, latency.roundTrip[percentile] / 1000] as const),
      })),
    },
    {
      kind: "table",
      title: "Connections and messages",
      columns: ["connections", "answered", "lost", "messages sent", "answered"],
      rows: results.map(({ requested, lost, failed, traffic }) => [
        requested,
        traffic.answeringConnections ?? 0,
        lost + failed,
        traffic.sentMessages,
        traffic.answeredMessages,
      ]),
    },
  ];
}
