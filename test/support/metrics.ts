// Tests for the metrics of a role: each metric must appear in the places that its declaration names, and follow
// the naming conventions of Prometheus.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { familiesOf } from "../../src/engine/metric-names.js";
import { type MetricDefinitions, type Metrics, pathsOf } from "../../src/engine/metrics.js";

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly type?: string;
}

/** Returns the value at a path such as `traffic.sentBytes`. */
export function valueAt(result: object, path: string): unknown {
  return path.split(".").reduce<unknown>((at, field) => (at as Record<string, unknown> | undefined)?.[field], result);
}

/**
 * Defines the tests of a role's declarations.
 * @param kind kind of result that contains them
 */
export function testDeclarations(metrics: Metrics<MetricDefinitions>, kind: "connect" | "serve"): void {
  const definitions = Object.entries(metrics.definitions);
  const schema = JSON.parse(readFileSync(`docs/schema/${kind}-result.json`, "utf8")) as JsonSchema;

  it.each(definitions.flatMap(([name, metric]) => pathsOf(metric).map((path) => [path, name])))(
    "result.%s is in the published schema (%s)",
    (path, name) => {
      const field = path!.split(".").reduce<JsonSchema | undefined>((at, part) => at?.properties?.[part], schema);
      const isHistogram = metrics.definitions[name!]!.type === "histogram";
      expect(field?.type).toBe(isHistogram ? "object" : "number");
    },
  );

  it("each field of the result has one metric", () => {
    const paths = definitions.flatMap(([, metric]) => pathsOf(metric));
    expect([...new Set(paths)]).toHaveLength(paths.length);
  });

  it.each([...familiesOf(metrics).values()].map((family) => [family.name, family] as const))(
    "%s follows Prometheus naming conventions",
    (name, { type, unit, help }) => {
      expect(name).toMatch(new RegExp(`^${metrics.prefix}(_[a-z][a-z0-9]*)+$`));
      expect(name.endsWith("_total")).toBe(type === "counter");
      expect(name.replace(/_total$/, "").endsWith(`_${unit ?? ""}`)).toBe(unit !== undefined);
      expect(name).not.toMatch(/_(ms|us|milliseconds|microseconds|count|gauge|counter)(_|$)/);
      expect(help).toMatch(/^[A-Z4].*\.$/);
    },
  );

  it("no two have the same exported name", () => {
    const names = [...familiesOf(metrics).values()].map(({ name }) => name);
    expect([...new Set(names)]).toHaveLength(names.length);
  });
}
