// First script of the single executable, and of each of its threads: runs one of the scripts that the executable
// contains. V8's code cache saves parsing them.
const { getAsset, getRawAsset } = require("node:sea");
const vm = require("node:vm");

/**
 * Runs the bundle of a module.
 * @param {string} entry path below src/, without extension
 * @returns {Record<string, any>} its exports
 */
function runEntry(entry) {
  const script = new vm.Script(getAsset(`${entry}.js`, "utf8"), {
    filename: `${process.execPath}/${entry}.js`,
    cachedData: Buffer.from(/** @type {ArrayBuffer} */ (getRawAsset(`${entry}.cache`))),
    // import() of a user's file is resolved as usual.
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const exported = {};
  script.runInThisContext()(require, exported);
  return exported;
}

/** Runs a command or a helper program; see src/util/program/files.ts. */
exports.runProgram = () => {
  const [kind, name] = process.argv.slice(2, 4);
  if (kind === "@entry") {
    process.argv.splice(2, 2);
    runEntry(`${name}`);
  } else if (kind === "@file") runEntry("file").run(name);
  else runEntry("cli/run-main").runMain();
};
