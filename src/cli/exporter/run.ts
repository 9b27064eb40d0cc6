// Runs `fourtuple exporter` until a signal stops it.

import { serveMetrics } from "../../output/prometheus/server.js";
import { print, printNote, sentence } from "../../output/terminal/output.js";
import { isLoopback, parseIp } from "../../util/address.js";
import { onParentGone } from "../parent.js";
import { EXIT_CODES, onStopSignals } from "../signals.js";
import { HostReader } from "./reading.js";

/** Options as parsed from the command line. */
export interface ExporterCommandOptions {
  readonly listen: string;
  readonly top: number;
}

const MOST_FAILURES = 20;

/** @returns the exit code: 0 after a signal */
export async function runExporter({ listen, top }: ExporterCommandOptions, version: string): Promise<number> {
  const failures = new Set<string>();
  const reader = new HostReader(top, version, (collector, error) => {
    // Report each failure once, not for every scrape.
    const text = `${collector} cannot be read: ${sentence(error)}`;
    if (isNews(failures, text)) printNote(`note: ${text}`);
  });
  const server = await serveMetrics(listen, () => reader.read());
  const stopped = new Promise<void>((resolve) => {
    onStopSignals(
      () => resolve(),
      (signal) => process.exit(EXIT_CODES[signal]),
    );
    onParentGone(resolve);
  });
  print(`metrics on ${server.url}`);
  if (!isLoopback(parseIp(server.ip))) printNote("note: any host that reaches this address can read it");
  await stopped;
  await server.close();
  return 0;
}

/** Adds a failure to those reported, unless it is among them already or they are many. @returns whether it was added */
export function isNews(reported: Set<string>, text: string): boolean {
  if (reported.size >= MOST_FAILURES || reported.has(text)) return false;
  reported.add(text);
  return true;
}
