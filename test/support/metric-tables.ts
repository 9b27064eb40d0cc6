// Generates the tables of docs/exporter.md from the declarations of the metrics.
import { expect } from "vitest";
import type { Description } from "../../src/output/prometheus/families.js";
import { HOST_FAMILIES } from "../../src/output/prometheus/host.js";
import { LAB_FAMILIES } from "../../src/output/prometheus/lab.js";
import { NAMESPACES_FAMILIES } from "../../src/output/prometheus/namespaces.js";
import { PORTS_FAMILIES } from "../../src/output/prometheus/ports.js";
import { PROCESS_FAMILIES } from "../../src/output/prometheus/process.js";
import { CLIENT_FAMILIES, SERVER_FAMILIES } from "../../src/output/prometheus/run.js";
import { SCRIPT_FAMILIES } from "../../src/output/prometheus/script.js";

/** Families by the heading of their section. */
export const DOCUMENTED: Readonly<Record<string, readonly Description[]>> = {
  "Ports, queues and sockets": PORTS_FAMILIES,
  "Limits, memory and the exporter itself": HOST_FAMILIES,
  "Network namespaces": NAMESPACES_FAMILIES,
  Clients: CLIENT_FAMILIES,
  Servers: SERVER_FAMILIES,
  "User-defined protocols": SCRIPT_FAMILIES,
  "The lab": LAB_FAMILIES,
  "Every process": PROCESS_FAMILIES,
};

/** Families whose series of other network namespaces have a further label. */
const BY_NETNS = [...PORTS_FAMILIES, ...HOST_FAMILIES].map((family) => sampleName(family));

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

/** Returns the rows of the table below a heading, excluding the first two. */
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

/**
 * Expects every sample to have the name and the labels of a documented family, and that family's type and help. Metrics
 * that a script declares are not in any table.
 */
export function expectDocumented(text: string): void {
  const byName = new Map(
    Object.values(DOCUMENTED)
      .flat()
      .map((family) => [sampleName(family), family]),
  );
  for (const [, keyword, name, said] of text.matchAll(/^# (TYPE|HELP) (\S+) (.*)$/gm)) {
    if (name!.startsWith("fourtuple_custom_")) continue;
    expect(byName.get(name!)?.[keyword === "TYPE" ? "type" : "help"], name).toBe(said);
  }
  for (const [, name, labels = ""] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    if (name!.startsWith("fourtuple_custom_")) continue;
    const family = byName.get(name!) ?? byName.get(name!.replace(/_(bucket|sum|count)$/, ""));
    const given = [...labels.matchAll(/([a-z_]+)="/g)]
      .map(([, label]) => label)
      .filter((label) => label !== "le" && !(label === "netns" && BY_NETNS.includes(name!)));
    expect(given, name).toEqual(family?.labels);
  }
}
