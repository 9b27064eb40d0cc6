// Places and small helpers shared by the steps of `npm run package`.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const ARTIFACTS = `${ROOT}artifacts/`;
/** @type {{ version: string, description: string, license: string, dependencies: Record<string, string> }} */
export const PACKAGE = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
/** Version of Node in the executable. */
export const NODE_VERSION = JSON.parse(readFileSync(new URL("pinned.json", import.meta.url), "utf8")).node;
/** Modification time of all files in archives, in seconds: the time of the commit, so that builds are repeatable. */
export const EPOCH = process.env.SOURCE_DATE_EPOCH ?? commitTime();

/** Processors by the name that Node uses. */
export const ARCHITECTURES = {
  x64: { debian: "amd64", strip: ["x86_64-linux-gnu-strip", "strip"] },
  arm64: { debian: "arm64", strip: ["aarch64-linux-gnu-strip"] },
};
/** @typedef {keyof typeof ARCHITECTURES} Architecture */

/**
 * Runs a program, whose output is shown only if it fails.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import("node:child_process").ExecFileSyncOptions} options
 */
export function run(command, args, options = {}) {
  return execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1e8, ...options });
}

function commitTime() {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: ROOT, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "0";
  }
}
