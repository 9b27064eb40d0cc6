// E4: what happens when "65535" is changed, as the end of the ephemeral port range and as an open-file limit.

import { readNofileLimit } from "../../linux/syscalls/rlimit.js";
import type { Prediction } from "../../results/prediction.js";
import { AppError } from "../../util/errors.js";
import { formatCount } from "../../util/units.js";
import { type Experiment, type LabContext, PORT } from "../experiment.js";
import { gather, jsonOf, startServer } from "../observe/client-load.js";
import { takeSnapshot } from "../observe/socket-snapshot.js";
import { END_BY_HAND } from "../reproduce.js";

const RANGE = "net.ipv4.ip_local_port_range";
const TOLERANCE = 0.02;
/** Connections requested in addition to a range's ports; these must fail. */
const BEYOND = 100;
/**
 * This is more than the 28,232 ports of the default range, and less than half of the widened one. Beyond that
 * number, the kernel's search for a free port takes milliseconds, because it first tries all ports of one parity
 * (__inet_hash_connect).
 */
const WIDE_CONNECTIONS = 30_000;

interface Case {
  readonly what: string;
  readonly setting: string;
  /** net.ipv4.ip_local_port_range of the client's host. */
  readonly range?: string;
  readonly nofileLimit?: number;
  readonly requested: number;
}

interface Row {
  readonly what: string;
  readonly setting: string;
  readonly requested: number;
  readonly predicted: number;
  readonly reached: number;
  readonly limit: string;
}

export const changing65535: Experiment = {
  id: "E4",
  title: "What “changing 65535” does",
  claims: ["C6"],
  claim:
    "A port has 16 bits, which cannot be changed. Two limits can be changed: the range that the kernel picks from, and a process's open-file limit. Each stops a run at its value, minus what the process itself has open.",
  quickMs: () => 12_000,
  async run(context) {
    const { testbed } = context;
    const cases = casesFor(context);
    const at = `${testbed.description.serverIp}:${PORT}`;
    const server = await startServer({ testbed }, at);
    const rows: Row[] = [];
    const commands = [server.command];
    const before = await testbed.client.readSysctl(RANGE);
    try {
      for (const it of cases) rows.push(await drive(context, at, it, commands));
    } finally {
      if (testbed.description.kind === "namespaces" && before) await testbed.client.setSysctl(RANGE, before);
      await server.end();
    }
    const limitOf = ({ what, requested, predicted }: Row) =>
      predicted === requested ? "none" : what === RANGE ? "ip-local-port-range" : "nofile";
    const isExact = (row: Row) =>
      Math.abs(row.predicted - row.reached) <= row.predicted * TOLERANCE && row.limit === limitOf(row);
    const isConfirmed = rows.every(isExact);
    // If another limit was hit, the shortfall proves nothing about the one under test.
    const isInterrupted = (row: Row) => row.reached < row.predicted && row.limit !== limitOf(row) && !isExact(row);
    const isRefuted = rows.some((row) => !isExact(row) && !isInterrupted(row));
    const isPartly = testbed.description.kind === "loopback";
    const hasFiles = cases.some(({ nofileLimit }) => nofileLimit !== undefined);
    return {
      setup: `${isPartly ? "the range belongs to the whole machine here and stays unchanged; " : "the range is set only on the client's host; "}descriptors: one table for all connections (--one-table), as in ordinary programs`,
      commands: [...commands, END_BY_HAND],
      prediction:
        "each run stops where `fourtuple doctor` predicts, within 2%, and names that limit; a load that fits the widened range reaches its target",
      observed: rows
        .map(
          ({ what, setting, requested, predicted, reached }) =>
            `${what === RANGE ? `ports ${setting.replace(" ", "-")}` : setting}: ${formatCount(reached)} of ${formatCount(requested)} (predicted ${formatCount(predicted)})`,
        )
        .join("; "),
      verdict: isConfirmed ? "confirmed" : isRefuted ? "refuted" : "inconclusive",
      reason: isConfirmed
        ? isPartly
          ? "only descriptors were tested: over loopback, the range cannot be changed for the lab alone"
          : hasFiles
            ? undefined
            : `only the range was tested: the open-file limit is ${formatCount(readNofileLimit().hard)}`
        : isRefuted
          ? "a run did not stop where predicted"
          : `another limit stopped a run first: ${rows.find(isInterrupted)!.limit}`,
      evidence: [
        {
          kind: "table",
          title: "Predicted and reached",
          columns: ["setting", "set to", "requested", "predicted", "reached", "limit named"],
          rows: rows.map(({ what, setting, requested, predicted, reached, limit }) => [
            ...[what, setting, requested, predicted, reached],
            limit,
          ]),
        },
      ],
    };
  },
};

/** @throws {AppError} E_PERMISSION if no case can be tested here */
function casesFor({ testbed, isQuick }: LabContext): Case[] {
  const range = (from: number, to: number, requested = to - from + 1 + BEYOND): Case => ({
    what: RANGE,
    setting: `${from} ${to}`,
    range: `${from} ${to}`,
    requested,
  });
  const files = (limit: number): Case => ({
    what: "open-file limit",
    setting: `ulimit -n ${limit}`,
    nofileLimit: limit,
    requested: Math.ceil(limit * 1.1),
  });
  // Narrowed, default and widened.
  const ranges = [
    range(40_000, 40_499),
    ...(isQuick ? [] : [range(32_768, 60_999)]),
    range(1024, 65_535, WIDE_CONNECTIONS),
  ];
  const { hard } = readNofileLimit();
  const cases = [
    ...(testbed.description.kind === "namespaces" ? ranges : []),
    // Limits above the hard limit cannot be set.
    ...[1024, 4096, ...(isQuick ? [] : [16_384])].filter((limit) => limit <= hard).map(files),
  ];
  if (cases.length > 0) return cases;
  throw new AppError("E_PERMISSION", `over loopback, only the open-file limit can be tested: it is ${hard} here`, {
    fix: "raise the hard limit to 1024 or more (ulimit -Hn)",
  });
}

async function drive(context: LabContext, at: string, it: Case, commands: string[]): Promise<Row> {
  const { client } = context.testbed;
  if (it.range) await client.setSysctl(RANGE, it.range);
  const options = it.nofileLimit === undefined ? {} : { nofileLimit: it.nofileLimit };
  const own = it.nofileLimit === undefined ? ["--source-port", "kernel"] : [];
  const load = ["-c", String(it.requested), "--source-ip", client.ips[0]!, ...own];
  const whatIf = it.nofileLimit === undefined ? [] : ["--nofile", String(it.nofileLimit)];
  const role = ["--role", "client", "--no-measure", "--json"];
  const doctor = client.run(["doctor", "--target", at, ...load, ...whatIf, ...role], options);
  const prediction = await jsonOf<Prediction>(doctor, "fourtuple doctor");
  const id = it.nofileLimit === undefined ? "ip-local-port-range" : "nofile";
  const allows = prediction.limits.find((limit) => limit.id === id)!.allows;
  const clientLoad = await gather(
    context,
    [at, ...load, ...(it.nofileLimit === undefined ? [] : ["--one-table"])],
    options,
  );
  const { outgoing } = await takeSnapshot(client, PORT);
  const result = await clientLoad.end();
  if (it.range) commands.push(`$client sysctl -w ${RANGE}="${it.range}"`, clientLoad.command);
  else commands.push(`(${it.setting}; ${clientLoad.command})`);
  return {
    what: it.what,
    setting: it.setting,
    requested: it.requested,
    predicted: Math.min(it.requested, typeof allows === "number" ? allows : it.requested),
    reached: outgoing,
    limit: result.diagnosis.finding?.limit ?? "none",
  };
}
