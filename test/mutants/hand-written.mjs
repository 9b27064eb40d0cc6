// Applies each hand-written mutant in turn to a copy of this checkout: a test must fail with it.
//
// Usage: node test/mutants/hand-written.mjs [part of a name…]
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./list.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");
const NO_BUILD = "the build";
const BUILD_LIMIT_MS = 300_000;
/** A test that hangs has detected the mutant, too. */
const TEST_LIMIT_MS = 300_000;

const parts = process.argv.slice(2);
const chosen = MUTANTS.filter(
  ({ name, file }) => parts.length === 0 || parts.some((part) => `${name} ${file}`.includes(part)),
);
const scratch = mkdtempSync(join(tmpdir(), "fourtuple-mutants-"));
// Some tests start programs as another user.
chmodSync(scratch, 0o755);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

copyCheckout();
/** Tests known to pass without a mutant. */
const passing = new Set();

const survivors = chosen.filter((mutant) => {
  const times = readFileSync(join(scratch, mutant.file), "utf8").split(mutant.find).length - 1;
  if (times !== 1) {
    console.log(`STALE     ${mutant.name}: ${mutant.file} has its text ${times} times`);
    return true;
  }
  const anyway = failsAnyway(mutant);
  if (anyway !== undefined) {
    console.log(`UNTRIED   ${mutant.name}: ${mutant.test} fails without it: ${anyway}`);
    return true;
  }
  const seen = tryOut(mutant);
  if (seen === NO_BUILD) {
    console.log(`UNTRIED   ${mutant.name}: it does not compile`);
    return true;
  }
  console.log(
    `${seen === undefined ? "SURVIVED" : "killed  "}  ${mutant.name}${seen === undefined ? "" : `: ${seen}`}`,
  );
  return seen === undefined;
});
console.log(`${chosen.length - survivors.length} of ${chosen.length} hand-written mutants killed`);
if (survivors.length > 0 || chosen.length === 0) process.exitCode = 1;

/** Copies all files that git tracks or would track, and links node_modules. */
function copyCheckout() {
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: ROOT });
  for (const file of listed.toString().split("\0").filter(Boolean)) {
    mkdirSync(dirname(join(scratch, file)), { recursive: true });
    try {
      copyFileSync(join(ROOT, file), join(scratch, file));
    } catch (error) {
      // Deleted, but not yet committed.
      if (error.code !== "ENOENT") throw error;
    }
  }
  symlinkSync(join(ROOT, "node_modules"), join(scratch, "node_modules"));
}

/**
 * Runs the test without a mutant, and retries once in case a busy machine delayed it: a test that fails anyway detects
 * nothing.
 * @returns the test that fails
 */
function failsAnyway({ test, only }) {
  const key = `${test} ${only}`;
  if (passing.has(key)) return undefined;
  if (!build()) return NO_BUILD;
  const failed = runTest(test, only) && runTest(test, only);
  if (failed === undefined) passing.add(key);
  return failed;
}

/** @returns the test that failed, undefined if none did */
function tryOut(mutant) {
  const path = join(scratch, mutant.file);
  const text = readFileSync(path, "utf8");
  writeFileSync(
    path,
    text.replace(mutant.find, () => mutant.replace),
  );
  try {
    return build() ? runTest(mutant.test, mutant.only) : NO_BUILD;
  } finally {
    writeFileSync(path, text);
  }
}

function build() {
  const { status, stdout } = spawnSync("npm", ["run", "build", "--silent"], { cwd: scratch, timeout: BUILD_LIMIT_MS });
  if (status !== 0) console.error(`${stdout}`);
  return status === 0;
}

/** @returns the test that failed, undefined if none did */
function runTest(test, only) {
  const report = join(scratch, "report.json");
  rmSync(report, { force: true });
  const filter = only === undefined ? [] : ["-t", only];
  const run = [VITEST, "run", test, ...filter, "--reporter=json", `--outputFile=${report}`, "--bail=1"];
  const { status } = spawnSync(process.execPath, run, { cwd: scratch, timeout: TEST_LIMIT_MS });
  if (status === null) return "it did not end";
  if (!existsSync(report)) return "an error before any test";
  const { testResults, numPassedTests } = JSON.parse(readFileSync(report, "utf8"));
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = results.find(({ status }) => status === "failed");
  if (failed) return failed.fullName;
  if (status !== 0) return `an error outside of the tests: ${testResults[0]?.message}`;
  return numPassedTests === 0 ? "none of its tests runs here" : undefined;
}
