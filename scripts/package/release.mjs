// Writes what is released of an executable: an archive with the manual page, completions and licences, a Debian package,
// and checksums. Times, owners and orders are fixed, so that builds of one commit have the same bits.
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { buildDeb } from "./deb.mjs";
import { billOfMaterials, noticesText } from "./notices.mjs";
import { ARTIFACTS, EPOCH, ROOT, run } from "./places.mjs";

const COMPLETIONS = { bash: "fourtuple", zsh: "_fourtuple", fish: "fourtuple.fish" };

/**
 * @param {import("./places.mjs").Architecture} arch
 * @param {string} executable
 * @param {readonly import("./notices.mjs").Component[]} components
 * @returns {string[]} the files
 */
export function release(arch, executable, components) {
  const folder = join(ARTIFACTS, `build-${arch}`, basename(executable));
  rmSync(folder, { recursive: true, force: true });
  for (const [path, content] of Object.entries(documents(components))) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  copyFileSync(executable, join(folder, "fourtuple"));
  chmodSync(join(folder, "fourtuple"), 0o755);
  const bill = `${executable}.cdx.json`;
  cpSync(join(folder, "sbom.cdx.json"), bill);
  return [executable, archive(folder), buildDeb(arch, folder, components), bill];
}

/** @param {readonly string[]} files */
export function writeChecksums(files) {
  const lines = files.map(
    (file) => `${createHash("sha256").update(readFileSync(file)).digest("hex")}  ${basename(file)}\n`,
  );
  writeFileSync(join(ARTIFACTS, "SHA256SUMS"), lines.sort().join(""));
}

/**
 * @param {readonly import("./notices.mjs").Component[]} components
 * @returns {Record<string, string | Buffer>}
 */
function documents(components) {
  const printed = (/** @type {string[]} */ ...args) =>
    run(process.execPath, [`${ROOT}dist/cli/main.js`, ...args], { env: { ...process.env, NO_COLOR: "1" } });
  return {
    "fourtuple.1": printed("man"),
    ...Object.fromEntries(
      Object.entries(COMPLETIONS).map(([shell, name]) => [
        `completions/${shell}/${name}`,
        printed("completion", shell),
      ]),
    ),
    LICENSE: readFileSync(`${ROOT}LICENSE`),
    "THIRD-PARTY-NOTICES": noticesText(components),
    "sbom.cdx.json": billOfMaterials(components),
  };
}

/** @param {string} folder @returns {string} */
function archive(folder) {
  const file = join(ARTIFACTS, `${basename(folder)}.tar.xz`);
  const fixed = ["--sort=name", `--mtime=@${EPOCH}`, "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"];
  // One thread: several would give other bits, depending on the machine. Higher levels than 6 save 2%, but take twice as
  // long to build, and seven times the memory to unpack.
  const options = { env: { ...process.env, XZ_OPT: "-6 -T1" } };
  run("tar", ["-cJf", file, "-C", dirname(folder), ...fixed, "--format=gnu", basename(folder)], options);
  return file;
}
