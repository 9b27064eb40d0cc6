// E3: source ports as the limit, with one source address and one destination, then a second destination, then a second
// source address.
import { formatCount } from "../../util/units.js";
import { type Experiment, type LabContext, PORT } from "../experiment.js";
import { type ClientLoadResult, expectRoom, gather, startServer } from "../observe/client-load.js";
import { countLocalPorts, takeSnapshot } from "../observe/socket-snapshot.js";
import { END_BY_HAND } from "../reproduce.js";

/**
 * The quick run uses 2,000 ports instead of all unprivileged ports. These ports lie below the ephemeral range, so that
 * no other program uses them.
 */
const RANGES = { quick: "20000-21999", full: "1024-65535" } as const;

export const sourcePorts: Experiment = {
  id: "E3",
  title: "Where ports do run out",
  claims: ["C5"],
  claim:
    "A source address can use each port once per destination. With another destination port or another source address, the same ports can be used again.",
  quickMs: () => 12_000,
  async run(context) {
    const { testbed, isQuick } = context;
    const range = isQuick ? RANGES.quick : RANGES.full;
    const [first, last] = range.split("-").map(Number) as [number, number];
    const { serverIp } = testbed.description;
    const [one, two] = testbed.client.ips as [string, string];
    const servers = [
      await startServer({ testbed }, `${serverIp}:${PORT}`),
      await startServer({ testbed }, `${serverIp}:${PORT + 1}`),
    ];
    const ports = last - first + 1;
    const cases = [
      { name: "one source, one destination", to: [`${serverIp}:${PORT}`], from: one, predicted: ports },
      { name: "a second destination port", to: [`${serverIp}:${PORT}-${PORT + 1}`], from: one, predicted: 2 * ports },
      { name: "a second source address", to: [`${serverIp}:${PORT}`], from: `${one},${two}`, predicted: 2 * ports },
    ];
    const rows: Row[] = [];
    const commands = servers.map(({ command }) => command);
    for (const { name, to, from, predicted } of cases) {
      const requested = predicted + Math.ceil(ports / 10);
      const args = [...to, "-c", String(requested), "--source-ip", from, "--source-port", range];
      const { reached, distinct, result, command } = await drive(context, args);
      commands.push(command);
      rows.push({ name, requested, predicted, reached, distinct, limit: result.diagnosis.finding?.limit ?? "none" });
    }
    for (const server of servers) await server.end();
    commands.push(END_BY_HAND);
    // Over loopback, other programs on this host may hold some of the ports.
    const isClose = ({ predicted, reached }: { predicted: number; reached: number }) =>
      reached <= predicted && reached >= predicted * (testbed.description.kind === "namespaces" ? 1 : 0.99);
    const isConfirmed = rows.every((row) => isClose(row) && row.distinct <= ports && row.limit === "source-ports");
    // If another limit was hit, the shortfall proves nothing about ports.
    const isInterrupted = ({ predicted, reached, distinct, limit }: Row) =>
      reached < predicted && distinct <= ports && limit !== "source-ports";
    const isRefuted = rows.some((row) => !isInterrupted(row) && !(isClose(row) && row.limit === "source-ports"));
    return {
      setup: `source ports ${range} (${formatCount(ports)}), more connections requested than there are 4-tuples`,
      commands,
      prediction: `the run stops at ${formatCount(ports)}; with a second destination port, or a second source address, it stops at ${formatCount(2 * ports)}, from the same ${formatCount(ports)} source ports`,
      observed: rows
        .map(({ name, reached, distinct }) => `${name}: ${formatCount(reached)} from ${formatCount(distinct)} ports`)
        .join("; "),
      verdict: isConfirmed ? "confirmed" : isRefuted ? "refuted" : "inconclusive",
      reason: isConfirmed
        ? undefined
        : isRefuted
          ? "a run did not stop when its 4-tuples ran out"
          : `another limit stopped a run before its 4-tuples ran out: ${rows.find(isInterrupted)!.limit}`,
      evidence: [
        {
          kind: "table",
          title: "Predicted and reached",
          columns: ["4-tuples", "requested", "predicted", "reached", "different source ports", "limit named"],
          rows: rows.map(({ name, requested, predicted, reached, distinct, limit }) => [
            name,
            requested,
            predicted,
            reached,
            distinct,
            limit,
          ]),
        },
      ],
    };
  },
};

interface Row {
  readonly name: string;
  readonly requested: number;
  readonly predicted: number;
  readonly reached: number;
  /** Number of distinct source ports. */
  readonly distinct: number;
  readonly limit: string;
}

async function drive(
  context: LabContext,
  args: readonly string[],
): Promise<{ reached: number; distinct: number; result: ClientLoadResult; command: string }> {
  const clientLoad = await gather(context, args);
  const snapshots = [
    await takeSnapshot(context.testbed.client, PORT),
    await takeSnapshot(context.testbed.client, PORT + 1),
  ];
  const result = await clientLoad.end();
  expectRoom(result);
  return {
    reached: snapshots.reduce((sum, { outgoing }) => sum + outgoing, 0),
    // Counts ports across all addresses and both destinations, because the experiment tests whether they are reused.
    distinct: countLocalPorts(snapshots[0]!),
    result,
    command: clientLoad.command,
  };
}
