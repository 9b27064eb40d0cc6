// Runs `fourtuple ports --pressure`: shows port pressure as text, JSON or metrics, and compares it with
// --fail-above.

import { paintFor } from "../../output/terminal/paint.js";
import type { Pressure } from "../../results/sockets/pressure.js";
import type { SummaryOptions } from "../../socket-table/summary.js";
import { AppError } from "../../util/errors.js";
import { printableJson } from "../../util/printable.js";
import { formatReadNote, printOnce } from "./notes.js";

interface Options {
  readonly top: number;
  readonly process?: boolean;
  readonly allNetns?: boolean;
  readonly pressure?: boolean;
  readonly metrics?: boolean;
  readonly failAbove?: number;
  readonly json?: boolean;
}

interface Answer {
  readonly text: string;
  /** Number of sockets covered, plus the connections whose source NAT translated. */
  readonly sockets: number;
  /** True if a destination is above --fail-above. */
  readonly isAbove: boolean;
}

/** @throws {AppError} E_OPTION for --fail-above without --pressure or --metrics */
export function checkPressureOptions({ allNetns, pressure, metrics, failAbove }: Options): void {
  if (failAbove === undefined || allNetns || pressure || metrics) return;
  throw new AppError("E_OPTION", "--fail-above requires --pressure", {
    fix: `add it: fourtuple ports --pressure --fail-above ${failAbove * 100}`,
  });
}

export async function readPressure(filter: SummaryOptions, options: Options): Promise<Answer> {
  const { top } = options;
  const { pressure } = await import("../../socket-table/ports/pressure.js");
  // Read one more row than is shown, to include the highest of the rows that the metrics aggregate.
  const rows = options.metrics ? top + 1 : top;
  const result = await pressure({ ...filter, top: rows, process: options.process });
  await formatReadNote(result);
  const { pressureNote } = await import("../../output/text/ports/pressure.js");
  printOnce(pressureNote(result));
  const sockets = result.outgoing + (result.translated?.connections ?? 0);
  return { text: await textOf(result, filter, options), sockets, isAbove: await isAbove(result, options.failAbove) };
}

async function textOf(result: Pressure, filter: SummaryOptions, { json, metrics, top }: Options): Promise<string> {
  if (json) return printableJson(result);
  if (metrics) {
    const { listenerQueues } = await import("../../socket-table/listeners/accept-queues.js");
    const { portsMetrics } = await import("../../output/prometheus/ports.js");
    return portsMetrics({ pressure: result, queues: await listenerQueues(filter) }, top).trimEnd();
  }
  const { pressureText } = await import("../../output/text/ports/pressure.js");
  return pressureText(result, top, paintFor(process.stdout));
}

async function isAbove(result: Pressure, share: number | undefined): Promise<boolean> {
  if (share === undefined) return false;
  const { aboveText } = await import("../../output/text/ports/pressure.js");
  const text = aboveText(result, share);
  printOnce(text);
  return text !== undefined;
}
