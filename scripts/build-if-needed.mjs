// Builds dist/ if it is missing or older than its sources.
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

/**
 * @param {readonly string[]} paths
 * @returns {number} modification time of the newest file in ms
 */
function newest(paths) {
  return Math.max(...paths.flatMap(modified));
}

/**
 * Returns when the program was last built. Only the entry points are checked, because leftovers of removed
 * sources do not matter.
 */
function oldestOutput() {
  try {
    return Math.min(...["dist/cli/main.js", "dist/index.js"].flatMap(modified));
  } catch {
    return 0;
  }
}

/**
 * @param {string} path
 * @returns {number[]} modification time in ms of the file, or of every file below the directory
 */
function modified(path) {
  const url = new URL(path, root);
  const stat = statSync(url);
  if (!stat.isDirectory()) return [stat.mtimeMs];
  return readdirSync(url, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(`${entry.parentPath ?? entry.path}/${entry.name}`).mtimeMs);
}
