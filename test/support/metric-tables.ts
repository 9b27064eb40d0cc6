// Tables of docs/exporter.md, made from the declarations of the metrics.
import type { Description } from "../../src/output/prometheus/families.js";
import { HOST_FAMILIES } from "../../src/output/prometheus/host.js";
import { PORTS_FAMILIES } from "../../src/output/prometheus/ports.js";
import { PROCESS_FAMILIES } from "../../src/output/prometheus/process.js";

/** Families by the heading of their section. */
export const DOCUMENTED: Readonly<Record<string, readonly Description[]>> = {
  "Ports, queues and sockets": PORTS_FAMILIES,
  "Limits, memory and the exporter itself": HOST_FAMILIES,
  "This process": PROCESS_FAMILIES,
};

/** Returns the name under which the samples of a family appear, without the suffixes of a histogram. */
export function sampleName({ name, type }: Description): string {
  return type === "counter" ? `${name}_total` : name;
}

/** Returns the rows of a section's table. */
export function tableOf(families: readonly Description[]): string[][] {
  return families.map((family) => [
    `\`${sampleName(family)}\``,
    family.type,
    family.labels.map((label) => `\`${label}\``).join(", "),
    family.help,
  ]);
}

/** Returns the rows of the table below a heading, without its first two. */
export function tableBelow(page: string, heading: string): string[][] {
  const [, below = ""] = page.split(`\n### ${heading}\n`);
  const [section = ""] = below.split(/\n##/);
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}
