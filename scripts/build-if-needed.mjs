// Builds dist/ when it is missing or older than what it is made of.
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("..", import.meta.url);
const SOURCES = ["src/", "scripts/", "package.json", "tsconfig.json", "tsconfig.build.json"];

if (newest(SOURCES) > oldestOutput()) {
  console.log("building dist/ …");
  const built = spawnSync("npm", ["run", "build", "--silent"], { cwd: fileURLToPath(root), stdio: "inherit" });
  process.exitCode = built.status ?? 1;
}

/** @param {readonly string[]} paths @returns {number} when the newest of their files was written, in ms */
function newest(paths) {
  return Math.max(...paths.flatMap(modified));
}

/** When the program was last built: an old file of a source that is gone does not count. */
function oldestOutput() {
  try {
    return Math.min(...["dist/cli/main.js", "dist/index.js"].flatMap(modified));
  } catch {
    return 0;
  }
}

/** @param {string} path @returns {number[]} when it was written, or every file below it, in ms */
function modified(path) {
  const url = new URL(path, root);
  const stat = statSync(url);
  if (!stat.isDirectory()) return [stat.mtimeMs];
  return readdirSync(url, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(`${entry.parentPath ?? entry.path}/${entry.name}`).mtimeMs);
}
