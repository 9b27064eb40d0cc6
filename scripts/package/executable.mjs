// Builds the single executable: Node's binary, stripped of symbols and of languages, with the program's scripts, koffi's
// native module and the live page injected.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { startScript } from "./bundle.mjs";
import { keepOnlyEnglish } from "./languages.mjs";
import { ARCHITECTURES, ARTIFACTS, EPOCH, NODE_VERSION, PACKAGE, ROOT, run } from "./places.mjs";
import { fetchPackage } from "./registry.mjs";

/** The mark in Node's binary that says that a program was injected. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";
/** Makes the code cache of the scripts named by the arguments, in the Node that will use it. */
const MAKE_CACHE = `
const { readFileSync, writeFileSync } = require("node:fs");
const vm = require("node:vm");
for (const name of process.argv.slice(1)) {
  const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const script = new vm.Script(readFileSync(name + ".js", "utf8"), { importModuleDynamically });
  writeFileSync(name + ".cache", script.createCachedData());
}`;

/**
 * @param {import("./places.mjs").Architecture} arch
 * @param {readonly import("./bundle.mjs").Script[]} scripts
 * @returns {Promise<string>} path of the executable
 */
export async function buildExecutable(arch, scripts) {
  const own = join(fetchPackage(`node-linux-${process.arch}@${NODE_VERSION}`), "bin/node");
  const node = join(fetchPackage(`node-linux-${arch}@${NODE_VERSION}`), "bin/node");
  const work = join(ARTIFACTS, `build-${arch}`);
  const assets = writeAssets(work, arch, scripts);
  makeCaches(work, arch, own, scripts);
  writeFileSync(join(work, "main.cjs"), `${startScript()}exports.runProgram();\n`);
  const settings = {
    main: "main.cjs",
    output: "program.blob",
    disableExperimentalSEAWarning: true,
    execArgv: ["--disable-warning=ExperimentalWarning"],
    // Variables meant for Node must not change a tool that happens to contain it.
    execArgvExtension: "none",
    assets,
  };
  writeFileSync(join(work, "sea.json"), JSON.stringify(settings));
  run(own, ["--experimental-sea-config", "sea.json"], { cwd: work });
  const file = join(ARTIFACTS, `fourtuple-${PACKAGE.version}-linux-${arch}`);
  const built = join(work, "fourtuple");
  copyFileSync(node, built);
  chmodSync(built, 0o755);
  strip(built, arch);
  await inject(built, readFileSync(join(work, "program.blob")));
  // Only now: postject would not understand the cut.
  writeFileSync(built, keepOnlyEnglish(readFileSync(built)));
  copyFileSync(built, file);
  run("touch", ["--no-dereference", `--date=@${EPOCH}`, file]);
  return file;
}

/**
 * @param {string} work
 * @param {import("./places.mjs").Architecture} arch
 * @param {readonly import("./bundle.mjs").Script[]} scripts
 * @returns {Record<string, string>} paths below `work` by the asset's name
 */
function writeAssets(work, arch, scripts) {
  const koffi = JSON.parse(readFileSync(`${ROOT}node_modules/koffi/package.json`, "utf8")).version;
  // Node's binaries need glibc, so koffi's build for musl is never needed.
  const native = join(fetchPackage(`@koromix/koffi-linux-${arch}@${koffi}`), `linux_${arch}`, "koffi.node");
  /** @type {Record<string, string | Buffer>} */
  const contents = {
    "start.cjs": startScript(),
    "koffi.node": readFileSync(native),
    "package.json": JSON.stringify({ version: PACKAGE.version }),
    "dist/output/live/page.html": readFileSync(`${ROOT}dist/output/live/page.html`),
  };
  for (const { name, script, map } of scripts) {
    contents[`${name}.js`] = script;
    contents[`${name}.js.map.gz`] = gzipSync(map, { level: 9 });
    contents[`${name}.cache`] = "";
  }
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(work, name)), { recursive: true });
    writeFileSync(join(work, name), content);
  }
  return Object.fromEntries(Object.keys(contents).map((name) => [name, name]));
}

/**
 * V8's code cache only fits the processor that made it. Without it, the program starts a little later.
 *
 * @param {string} work
 * @param {import("./places.mjs").Architecture} arch
 * @param {string} node
 * @param {readonly import("./bundle.mjs").Script[]} scripts
 */
function makeCaches(work, arch, node, scripts) {
  if (arch !== process.arch) return;
  // Without the seed, the order of hash tables in the cache changes from build to build.
  run(node, ["--random-seed=1", "-e", MAKE_CACHE, ...scripts.map(({ name }) => name)], { cwd: work });
}

/**
 * @param {string} file
 * @param {import("./places.mjs").Architecture} arch
 */
function strip(file, arch) {
  const found = ARCHITECTURES[arch].strip.find((program) => inPath(program));
  if (found === undefined) throw new Error(`${ARCHITECTURES[arch].strip[0]} is not installed: install binutils`);
  run(found, [file]);
}

/** @param {string} program */
function inPath(program) {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

/**
 * @param {string} file
 * @param {Buffer} blob
 */
async function inject(file, blob) {
  const require = createRequire(import.meta.url);
  const { inject } = require(join(fetchPackage("postject@1.0.0-alpha.6"), "dist/api.js"));
  // postject's library warns about the section names of a stripped file.
  const { warn, log } = console;
  console.warn = console.log = () => undefined;
  try {
    await inject(file, "NODE_SEA_BLOB", blob, { sentinelFuse: FUSE });
  } finally {
    Object.assign(console, { warn, log });
  }
}
