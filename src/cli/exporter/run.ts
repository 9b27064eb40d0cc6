// Runs `fourtuple exporter` until a signal stops it.

import { serveMetrics } from "../../output/prometheus/server.js";
import { print, printNote, sentence } from "../../output/terminal/output.js";
import { checkEntry } from "../../socket-table/namespaces/each.js";
import { enterNamespace, type NamespaceOptions } from "../netns.js";
import { onParentGone } from "../parent.js";
import { noteIfReachable } from "../reachable.js";
import { EXIT_CODES, onStopSignals } from "../signals.js";
import { HostReader } from "./reading.js";

/** Options as parsed from the command line. */
export interface ExporterCommandOptions extends NamespaceOptions {
  readonly listen: string;
  readonly top: number;
  readonly allNetns?: boolean;
}

const MOST_FAILURES = 20;

/** @returns the exit code: 0 after a signal */
export async function runExporter(
  { listen, top, allNetns, ...namespace }: ExporterCommandOptions,
  version: string,
): Promise<number> {
  if (allNetns) await checkEntry();
  const failures = new Set<string>();
  const failed = (collector: string, error: unknown) => {
    // Report each failure once, not for every scrape.
    const text = `${collector} cannot be read: ${sentence(error)}`;
    if (isNews(failures, text)) printNote(`note: ${text}`);
  };
  const reader = new HostReader(top, version, failed, allNetns);
  const server = await serveMetrics(listen, () => reader.read());
  // The server's socket stays in the namespace in which it was opened.
  enterNamespace(namespace, "exporter");
  const stopped = new Promise<void>((resolve) => {
    onStopSignals(
      () => resolve(),
      (signal) => process.exit(EXIT_CODES[signal]),
    );
    onParentGone(resolve);
  });
  print(`metrics on ${server.url}`);
  noteIfReachable(server.ip, "read it");
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
