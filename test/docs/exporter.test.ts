// Tests that the tables of docs/exporter.md are those of the code, and that nothing else is served.
import { describe, expect, it } from "vitest";
import { ownAddress } from "../support/address.js";
import { readPage } from "../support/markdown.js";
import { DOCUMENTED, expectDocumented, sampleName, tableBelow, tableOf } from "../support/metric-tables.js";
import { startCli } from "../support/process.js";
import { scrape } from "../support/scrape.js";

const page = readPage("docs/exporter.md");
const families = Object.values(DOCUMENTED).flat();

it.each(Object.entries(DOCUMENTED))("the table of %s is that of the code", (heading, declared) => {
  expect(tableBelow(page, heading)).toEqual(tableOf(declared));
});

it.each(families.map((family) => [family.name, family] as const))(
  "%s follows the conventions of Prometheus",
  (name, { help, labels }) => {
    expect(name).toMatch(/^(fourtuple|process)(_[a-z][a-z0-9]*)+$/);
    expect(name).not.toMatch(/_(total|ms|us|count|milliseconds)$/);
    for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
    expect(help).toMatch(/^[A-Z14].*\.$/);
  },
);

it("no two families have the same name", () => {
  const names = families.map(sampleName);
  expect(new Set(names).size).toBe(names.length);
});

describe("what is served is documented", () => {
  it("by the exporter", async () => {
    const exporter = startCli(["exporter", "--listen", `${ownAddress()}:0`]);
    const [, url] = await exporter.prints(/metrics on (http:\S+)/);
    expectDocumented(await scrape(url!));
  });
});
