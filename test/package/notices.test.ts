// Tests the licences of the single executable's contents: texts for all components, and a failing build otherwise.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { ROOT } from "../support/library.js";

const { billOfMaterials, componentIn, noticesText, productionPackages } = await import(
  `${ROOT}scripts/package/notices.mjs`
);

interface Listed {
  /** Absent for optional packages that are not installed. */
  readonly version?: string;
  readonly dependencies?: Record<string, Listed>;
}

function packageWith(license: string | undefined, file: string | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-licence-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "x"));
  writeFileSync(join(folder, "x/package.json"), JSON.stringify({ name: "x", version: "1.0.0", license }));
  if (file) writeFileSync(join(folder, "x", file), "do as you like\n");
  return join(folder, "x");
}

it("a package without a licence, or with one that does not allow this use, fails the build", () => {
  expect(() => componentIn(packageWith(undefined, "LICENSE"))).toThrow("x 1.0.0 has the licence (none)");
  expect(() => componentIn(packageWith("GPL-3.0-only", "LICENSE"))).toThrow("x 1.0.0 has the licence GPL-3.0-only");
  expect(() => componentIn(packageWith("MIT", undefined))).toThrow("x has no file with its licence");
  expect(componentIn(packageWith("(GPL-2.0 OR MIT)", "license.md")).text).toBe("do as you like");
});

it("components are listed with their licences' texts, and in the bill of materials", () => {
  const components = [componentIn(`${ROOT}node_modules/zod`), componentIn(`${ROOT}node_modules/@nats-io/kv`)];
  expect(noticesText(components)).toMatch(
    /^zod [\d.]+ \(MIT\)\n\nMIT License[\s\S]*@nats-io\/kv [\d.]+ \(Apache-2.0\)/m,
  );
  expect(JSON.parse(billOfMaterials(components))).toMatchObject({
    bomFormat: "CycloneDX",
    components: [
      { name: "zod", licenses: [{ license: { id: "MIT" } }] },
      { name: "@nats-io/kv", purl: expect.stringMatching(/^pkg:npm\/%40nats-io\/kv@3/) },
    ],
  });
});

it("packages of production are those that npm installs, for each processor", () => {
  const printed = execFileSync("npm", ["ls", "--omit=dev", "--all", "--json"], { cwd: ROOT, encoding: "utf8" });
  const namesIn = ({ dependencies = {} }: Listed): string[] =>
    Object.entries(dependencies).flatMap(([name, each]) => (each.version ? [name, ...namesIn(each)] : []));
  expect(productionPackages(process.arch).toSorted()).toEqual(namesIn(JSON.parse(printed)).toSorted());
  expect(productionPackages("arm64")).toEqual(["@koromix/koffi-linux-arm64", "koffi"]);
});
