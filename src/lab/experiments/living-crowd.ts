// E6: a held crowd is alive. Messages over all connections, and what happens to their latency as the crowd grows.
import { formatCount, formatDuration } from "../../base/units.js";
import { commandOf, END_BY_HAND } from "../by-hand.js";
import { type CrowdResult, jsonOf, startServer } from "../crowd.js";
import { type Experiment, PORT } from "../experiment.js";

const SIZES = { quick: [500, 2000, 8000], full: [1000, 5000, 20_000, 50_000] } as const;
const SECONDS = { quick: 3, full: 10 } as const;
/** Messages a second over all connections: the same load on every crowd, so that only its size differs. */
const MESSAGES_PER_SEC = 4000;

export const livingCrowd: Experiment = {
  id: "E6",
  title: "A held crowd is alive",
  claims: ["C4"],
  claim: "Connections that share a port are each alive: messages go and come over all of them, and none is lost.",
  async run({ place, isQuick, progress }) {
    const at = `${place.description.serverIp}:${PORT}`;
    const server = await startServer({ place }, at, ["--mode", "echo", "--log", "none"]);
    const commands = [server.command];
    const results: CrowdResult[] = [];
    for (const size of isQuick ? SIZES.quick : SIZES.full) {
      progress(`${formatCount(size)} connections exchange messages`);
      const rate = MESSAGES_PER_SEC / size;
      // A connection's first message is due after one interval: so long that each sends more than one.
      const seconds = Math.ceil(Math.max(isQuick ? SECONDS.quick : SECONDS.full, 2 / rate));
      const args = [
        at,
        "-c",
        String(size),
        "--source-ip",
        place.description.clientIps,
        "-m",
        "ping",
        "-r",
        String(rate),
      ];
      const client = place.client.run([
        "connect",
        ...args,
        "-T",
        `${seconds}s`,
        "--close",
        "rst",
        "--authorized",
        "--json",
      ]);
      results.push(await jsonOf<CrowdResult>(client, commandOf(["connect", ...args])));
      commands.push(commandOf(["connect", ...args, "-T", `${seconds}s`]));
    }
    await server.end();
    const lost = results.reduce((sum, result) => sum + result.lost + result.failed, 0);
    // What was on its way when the hold ended has no answer: one message a connection at the most.
    const isAnswered = ({ asked, traffic }: CrowdResult) =>
      traffic.answeredMessages > 0 && traffic.sentMessages - traffic.answeredMessages < asked;
    const isConfirmed = lost === 0 && results.every(isAnswered);
    const p50 = results.map(({ latency }) => formatDuration(latency.roundTrip.p50Us / 1000));
    const p99 = results.map(({ latency }) => formatDuration(latency.roundTrip.p99Us / 1000));
    return {
      setup: `an echo server; crowds of ${results.map(({ asked }) => formatCount(asked)).join(", ")} send up to ${formatCount(MESSAGES_PER_SEC)} messages a second in all`,
      commands: [...commands, END_BY_HAND],
      prediction: "no connection is lost and every message is answered, whatever the size of the crowd",
      observed: `${formatCount(lost)} lost; ${formatCount(results.reduce((sum, { traffic }) => sum + traffic.answeredMessages, 0))} messages answered; round trip p50 ${p50.join(" → ")}, p99 ${p99.join(" → ")} as the crowd grows`,
      verdict: isConfirmed ? "confirmed" : "refuted",
      reason: isConfirmed ? undefined : "connections were lost, or messages stayed without an answer",
      evidence: [
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
          title: "Messages",
          columns: ["connections", "sent", "answered", "lost connections"],
          rows: results.map(({ asked, traffic, lost: gone }) => [
            asked,
            traffic.sentMessages,
            traffic.answeredMessages,
            gone,
          ]),
        },
      ],
    };
  },
};
