// First script of the single executable, and of each of its threads: runs the scripts that the executable contains. V8's
// code cache saves parsing them.
const { writeSync } = require("node:fs");
const { getAsset, getRawAsset } = require("node:sea");
const { posix } = require("node:path");
const vm = require("node:vm");

/** @type {Map<string, { exports: Record<string, any> }>} */
const loaded = new Map();

/**
 * Runs the bundle of a module, once.
 * @param {string} name path of the script among the assets, without extension
 * @returns {Record<string, any>} its exports
 */
function runScript(name) {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const script = new vm.Script(getAsset(`${name}.js`, "utf8"), {
    filename: `${process.execPath}/${name}.js`,
    cachedData: Buffer.from(/** @type {ArrayBuffer} */ (getRawAsset(`${name}.cache`))),
    // import() of a user's file is resolved as usual.
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} };
  // Registered before it runs, because scripts may need each other.
  loaded.set(name, module);
  const requireFrom = (/** @type {string} */ id) =>
    id.startsWith(".") ? runScript(posix.join(name, "..", id).replace(/\.js$/, "")) : require(id);
  script.runInThisContext()(requireFrom, module.exports, module);
  return module.exports;
}

/** Runs a command or a helper program; see src/util/program/files.ts. */
exports.runProgram = () => {
  const [kind, name] = process.argv.slice(2, 4);
  if (process.argv.length === 3 && (kind === "--version" || kind === "-V") && printVersion()) return;
  if (kind === "@entry") {
    process.argv.splice(2, 2);
    runScript(`${name}`);
  } else if (kind === "@file") runScript("file").run(name);
  else runScript("cli/run-main").runMain();
};

/** Prints the version before anything is loaded. Returns false if that failed; the program then explains why. */
function printVersion() {
  try {
    return writeSync(1, `${JSON.parse(getAsset("package.json", "utf8")).version}\n`) > 0;
  } catch {
    return false;
  }
}
