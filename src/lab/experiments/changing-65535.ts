// E4: what "changing 65535" does. The range that the kernel picks source ports from, and the limit of open files that is so
// often set to 65535.
import { formatCount } from "../../base/units.js";
import type { Prediction } from "../../doctor/predict.js";
import { readNofileLimit } from "../../sys/rlimit.js";
import { gather, jsonOf, startServer } from "../crowd.js";
import { type Experiment, type LabContext, PORT } from "../experiment.js";
import { look } from "../sight.js";

const RANGE = "net.ipv4.ip_local_port_range";
const TOLERANCE = 0.02;

interface Case {
  readonly what: string;
  readonly setting: string;
  /** net.ipv4.ip_local_port_range of the client's host. */
  readonly range?: string;
  readonly nofileLimit?: number;
  readonly asked: number;
}

interface Row {
  readonly what: string;
  readonly setting: string;
  readonly predicted: number;
  readonly reached: number;
  readonly limit: string;
}

export const changing65535: Experiment = {
  id: "E4",
  title: "What changing 65535 changes",
  claims: ["C6"],
  claim:
    "A port is 16 bits and stays so. What can be changed is the range that the kernel picks from, and the limit of open files of a process; each stops a run exactly where it is set.",
  async run(context) {
    const { place } = context;
    const at = `${place.description.serverIp}:${PORT}`;
    const server = await startServer({ place }, at);
    const cases = casesFor(context);
    const rows: Row[] = [];
    const commands = [server.command];
    const before = await place.client.readSysctl(RANGE);
    try {
      for (const it of cases) rows.push(await drive(context, at, it, commands));
    } finally {
      if (place.description.kind === "namespaces" && before) await place.client.setSysctl(RANGE, before);
      await server.end();
    }
    const isExact = ({ what, predicted, reached, limit }: Row) =>
      Math.abs(predicted - reached) <= predicted * TOLERANCE &&
      limit === (what === RANGE ? "ip-local-port-range" : "nofile");
    const isConfirmed = rows.every(isExact);
    const isPartly = place.description.kind === "loopback";
    return {
      setup: `${isPartly ? "the range is the whole machine's here, and stays as it is; " : "the range is set in the client's host alone; "}descriptors: one table for all connections (--one-table), as ordinary programs have it`,
      commands,
      prediction: "each run stops where `fourtuple doctor` says, within 2 %, and names that limit",
      observed: rows
        .map(
          ({ setting, predicted, reached }) =>
            `${setting}: ${formatCount(reached)} (predicted ${formatCount(predicted)})`,
        )
        .join("; "),
      verdict: isConfirmed ? "confirmed" : "refuted",
      reason: isConfirmed
        ? isPartly
          ? "descriptors only: over loopback the range cannot be changed for the lab alone"
          : undefined
        : "a run stopped elsewhere than predicted",
      evidence: [
        {
          kind: "table",
          title: "Predicted and reached",
          columns: ["what is changed", "set to", "predicted", "reached", "limit named"],
          rows: rows.map(({ what, setting, predicted, reached, limit }) => [what, setting, predicted, reached, limit]),
        },
      ],
    };
  },
};

function casesFor({ place, isQuick }: LabContext): Case[] {
  const range = (from: number, to: number): Case => ({
    what: RANGE,
    setting: `${from} ${to}`,
    range: `${from} ${to}`,
    asked: Math.ceil((to - from + 1) * 1.1),
  });
  const files = (limit: number): Case => ({
    what: "limit of open files",
    setting: `ulimit -n ${limit}`,
    nofileLimit: limit,
    asked: Math.ceil(limit * 1.1),
  });
  const ranges = isQuick
    ? [range(40_000, 40_499), range(40_000, 41_999)]
    : [range(40_000, 40_499), range(32_768, 60_999)];
  return [
    ...(place.description.kind === "namespaces" ? ranges : []),
    // A hard limit below that cannot be raised for it.
    ...[1024, 4096, ...(isQuick ? [] : [16_384])].filter((limit) => limit <= readNofileLimit().hard).map(files),
  ];
}

async function drive(context: LabContext, at: string, it: Case, commands: string[]): Promise<Row> {
  const { client } = context.place;
  if (it.range) await client.setSysctl(RANGE, it.range);
  const options = it.nofileLimit === undefined ? {} : { nofileLimit: it.nofileLimit };
  const own = it.nofileLimit === undefined ? ["--source-port", "kernel"] : [];
  const load = ["-c", String(it.asked), "--source-ip", client.ips[0]!, ...own];
  const whatIf = it.nofileLimit === undefined ? [] : ["--nofile", String(it.nofileLimit)];
  const role = ["--role", "client", "--no-measure", "--json"];
  const doctor = client.run(["doctor", "--target", at, ...load, ...whatIf, ...role], options);
  const prediction = await jsonOf<Prediction>(doctor, "fourtuple doctor");
  const id = it.nofileLimit === undefined ? "ip-local-port-range" : "nofile";
  const allows = prediction.limits.find((limit) => limit.id === id)!.allows;
  const crowd = await gather(context, [at, ...load, ...(it.nofileLimit === undefined ? [] : ["--one-table"])], options);
  const { outgoing } = await look(client, PORT);
  const result = await crowd.end();
  commands.push(`${it.nofileLimit === undefined ? `sysctl -w ${RANGE}="${it.range}"` : it.setting}; ${crowd.command}`);
  return {
    what: it.what,
    setting: it.setting,
    predicted: Math.min(it.asked, typeof allows === "number" ? allows : it.asked),
    reached: outgoing,
    limit: result.diagnosis.finding?.limit ?? "none",
  };
}
