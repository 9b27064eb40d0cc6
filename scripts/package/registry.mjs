// Fetches packages from the npm registry at exact versions and checks their contents: Node's binaries, koffi's, and
// postject. They are kept in artifacts/cache/.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ARTIFACTS, ROOT, run } from "./places.mjs";

const { packages } = JSON.parse(readFileSync(new URL("pinned.json", import.meta.url), "utf8"));
const lock = JSON.parse(readFileSync(`${ROOT}package-lock.json`, "utf8")).packages;

/**
 * Returns the folder of a package's contents.
 *
 * @param {string} name name and exact version, as in pinned.json or package-lock.json
 * @throws {Error} if the contents differ from the recorded checksum
 */
export function fetchPackage(name) {
  const folder = join(ARTIFACTS, "cache", name.replace("/", "+"));
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const printed = execFileSync("npm", ["pack", name, "--json", "--pack-destination", fresh], { encoding: "utf8" });
  const file = join(fresh, JSON.parse(printed)[0].filename.replace("@", "").replace("/", "-"));
  const found = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;
  if (found !== integrityOf(name)) throw new Error(`${name} has the checksum ${found}, expected ${integrityOf(name)}`);
  run("tar", ["-xzf", file, "-C", fresh, "--strip-components=1"]);
  rmSync(file);
  renameSync(fresh, folder);
  return folder;
}

/** @param {string} name @returns {string} */
function integrityOf(name) {
  const [, path, version] = /^(.+)@(.+)$/.exec(name) ?? [];
  const locked = lock[`node_modules/${path}`];
  const known = packages[name] ?? (locked?.version === version ? locked.integrity : undefined);
  if (known === undefined) throw new Error(`${name} is neither in pinned.json nor in package-lock.json`);
  return known;
}
