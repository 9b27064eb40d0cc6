// Tests the installed package: few dependencies, a small size, and every file that the program loads.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { ENTRIES } from "../../src/util/program/entries.js";
import { ROOT } from "../support/library.js";

const MOST_PACKAGES = 25;
const MOST_BYTES = 18e6;

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly peer?: boolean;
}

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, "utf8"));
/**
 * Returns the packages that `npm ci --omit=dev` installs here. If a package has one build per platform, includes only
 * this platform's.
 */
const installed = Object.entries(lock.packages)
  .filter(([path, { dev, devOptional, peer }]) => path !== "" && !dev && !devOptional && !peer)
  .map(([path]) => join(ROOT, path))
  .filter(existsSync);

const packed: string[] = JSON.parse(
  execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: ROOT, encoding: "utf8" }),
)[0].files.map(({ path }: { path: string }) => path);
const programs = packed.filter((path) => path.endsWith(".js"));

function sizeOf(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => statSync(join(folder, path)));
  return files.reduce((sum, stat) => sum + (stat.isFile() ? stat.size : 0), 0);
}

describe("the package", () => {
  it(`needs at most ${MOST_PACKAGES} packages of at most ${MOST_BYTES / 1e6} MB`, () => {
    expect(installed.some((path) => path.endsWith("/koffi"))).toBe(true);
    expect(installed.length).toBeLessThanOrEqual(MOST_PACKAGES);
    const bytes = installed.reduce((sum, path) => sum + sizeOf(path), 0);
    expect(bytes).toBeGreaterThan(1e6);
    expect(bytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  it("imports only Node's modules and its own files, all of which it contains", () => {
    expect(programs).toContain("dist/cli/main.js");
    const { name, exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const ownNames = Object.keys(exports).map((path) => join(name, path));
    const missing = programs.flatMap((path) =>
      importsOf(readFileSync(join(ROOT, path), "utf8"))
        .map((name) => (name.startsWith(".") ? relative(ROOT, join(ROOT, dirname(path), name)) : name))
        // The skeleton of a protocol file is a string that imports this package by name.
        .filter((name) => !isBuiltin(name) && !packed.includes(name) && !ownNames.includes(name))
        .map((name) => `${path} imports ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it("contains every program that it starts, and its page", () => {
    const started = ["dist/cli/main.js", "dist/output/live/page.html", ...ENTRIES.map((entry) => `dist/${entry}.js`)];
    // The bundle names each of them, below src/ or the package's folder.
    const text = programs.map((path) => readFileSync(join(ROOT, path), "utf8")).join("\n");
    for (const name of [...started.slice(0, 2), ...ENTRIES]) expect(text).toContain(`"${name}"`);
    expect(started.filter((path) => !packed.includes(path))).toEqual([]);
  });
});

/**
 * Returns static and dynamic imports. A static import must be at the start of a line, so that strings and comments do
 * not match.
 */
function importsOf(text: string): string[] {
  const code = text.replace(/^\s*\/\*\*[\s\S]*?\*\//gm, "");
  const all = [
    ...code.matchAll(/^(?:import|export)\b[^"'\n]*?["']([^"']+)["'];?$/gm),
    ...code.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g),
  ];
  return all.map(([, name]) => name!);
}
