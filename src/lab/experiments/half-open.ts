// E7: one side disappears. The experiment shows the other side's socket table, and how long its states last according
// to the kernel's timers and by observation.
import type { LabVerdict } from "../../results/lab/lab.js";
import { formatCount, formatDuration } from "../../util/units.js";
import type { Experiment } from "../experiment.js";
import { formatEnd, formatRange, formatTimer, judgeLifetime } from "../observe/lifetime-verdict.js";
import { type Seen, type StateLifetime, watch } from "../observe/state-lifetime.js";
import { CONNECTIONS, cutWire, killedServer, orderlyEnd, PORTS, type Remains, statesOf } from "./half-open-cases.js";
import { reproduceHalfOpen } from "./half-open-commands.js";

/** The quick run watches only states shortened by its hosts' settings; the full run also watches TIME_WAIT. */
const WATCH_MS = { quick: { least: 3000, most: 8000 }, full: { least: 20_000, most: 75_000 } } as const;

export const halfOpen: Experiment = {
  id: "E7",
  title: "One side is gone",
  claims: ["C4"],
  claim:
    "A peer that vanishes silently stays ESTABLISHED on the other side and uses memory there, until that side sends and gives up; a normal close leaves TIME_WAIT on the side that closes first; a server that dies leaves CLOSE_WAIT on a client that does not notice.",
  quickMs: () => 11_000,
  async run(context) {
    const { testbed, isQuick, progress } = context;
    const isCut = testbed.description.kind === "namespaces";
    const watching = new Map<Remains, Promise<Seen[]>>();
    // Start watching each case at once, because the shortest ends before the next case is set up.
    const leave = (remains: Remains): Remains => {
      const { least, most } = isQuick ? WATCH_MS.quick : WATCH_MS.full;
      const lifetime = remains.lifetime.map((each) => each.lifetime);
      const seen = watch(context, lifetime, least, most);
      // The promise is awaited below, unless the lab ends first.
      seen.catch(() => undefined);
      watching.set(remains, seen);
      return remains;
    };
    const [orderly, killed] = await Promise.all([
      orderlyEnd(context).then(leave),
      killedServer(context).then(({ remains, clientLoad }) => ({ remains: leave(remains), clientLoad })),
    ]);
    const cases = [orderly, killed.remains, ...(isCut ? (await cutWire(context)).map(leave) : [])];
    const all = cases.flatMap(({ lifetime }) => lifetime);
    progress(`watching what is left of ${formatCount(cases.length * CONNECTIONS)} connections`);
    const seen = (await Promise.all(cases.map((each) => watching.get(each)!))).flat();
    if (isCut) await testbed.server.exec("ip", ["link", "set", testbed.server.device, "up"]);
    // Once awake, the client reads the end of the stream and closes, which ends CLOSE_WAIT.
    const wokenMs = Date.now();
    await killed.clientLoad.end();
    const afterwards = await statesOf(testbed.client, PORTS.killed);
    const closedIn = Date.now() - wokenMs;
    const isClosed = (afterwards.CLOSE_WAIT ?? 0) === 0;
    const judged = (verdict: LabVerdict) => [
      ...cases.filter((each) => each.verdict === verdict && each.doubt === undefined).map(({ what }) => what),
      ...seen
        .filter((each) => judgeLifetime(each) === verdict)
        .map(({ lifetime: { state, host } }) => `the ${host.name}'s ${state}`),
    ];
    const wrong = [...judged("refuted"), ...(isClosed ? [] : ["CLOSE_WAIT, which stayed"])];
    const doubts = cases.flatMap(({ what, doubt }) => (doubt === undefined ? [] : `${what}: ${doubt}`));
    const unseen = judged("inconclusive");
    const unclear = [
      ...doubts,
      ...(unseen.length > 0 ? [`observed too late or too rarely to tell: ${unseen.join("; ")}`] : []),
    ];
    const missing = isCut ? undefined : "cases with a vanished peer were left out: loopback has no link to cut";
    return {
      setup: `${CONNECTIONS} connections in each case; both socket tables and the kernel's timers are read from the moment one side is gone until the other is gone too`,
      commands: reproduceHalfOpen(testbed, CONNECTIONS, PORTS),
      prediction: cases.map(({ what, predicted }) => `${what}: ${predicted}`).join("; "),
      observed: [
        ...cases.map(({ what, server, client }) => `${what}: server ${server}, client ${client}`),
        ...(isClosed ? [`the client wakes: its CLOSE_WAIT is gone after ${formatDuration(closedIn)}`] : []),
      ].join("; "),
      verdict: wrong.length > 0 ? "refuted" : unclear.length > 0 ? "inconclusive" : "confirmed",
      reason:
        wrong.length > 0
          ? `states or lifetimes other than predicted: ${wrong.join("; ")}`
          : unclear.length > 0
            ? unclear.join("; ")
            : missing,
      evidence: [
        {
          kind: "table",
          title: "What each side's table shows",
          columns: ["what happened", "server", "client"],
          rows: cases.map(({ what, server, client }) => [what, server, client]),
        },
        {
          kind: "table",
          title: "How long it lasts",
          columns: ["state", "host", "set by", "predicted", "kernel's timer", "gone after"],
          rows: all.map(({ lifetime, why }, index) => [
            lifetime.state,
            lifetime.host.name,
            why,
            formatPrediction(lifetime),
            formatTimer(seen[index]!),
            formatEnd(seen[index]!),
          ]),
        },
      ],
    };
  },
};

function formatPrediction({ predictedMs }: StateLifetime): string {
  return predictedMs === undefined ? "forever" : formatRange(predictedMs);
}
