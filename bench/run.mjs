// Runs the benchmark: parses the arguments and runs each workload, in its own network namespace if possible.
// Usage: npm run bench -- W1|...|W15|scaling|all [--rounds N] [--contender NAME]... [--at-most N] [--into FOLDER]
// The exit code is 0 if every round succeeded, 1 if not, 2 for wrong usage, and more than 128 if a signal ended the
// run.
import { accessSync, constants, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { endChildrenBySignal, endWithParent } from "./child.mjs";
import { prepareContenders } from "./contenders.mjs";
import { canMakeNamespace, runInNamespace } from "./namespace.mjs";
import { runWorkload } from "./run-workload.mjs";
import { SCALING } from "./scaling.mjs";
import { WORKLOADS } from "./workloads.mjs";

const ALL = Object.keys(WORKLOADS);
const KNOWN = { ...WORKLOADS, [SCALING.name]: SCALING };
const USAGE = `usage: npm run bench -- ${Object.keys(KNOWN).join("|")}|all [--rounds N] [--contender NAME]... [--at-most N] [--into FOLDER]`;

process.exitCode = await main();

async function main() {
  const options = readOptions();
  if (typeof options === "string") {
    console.error(`${options}\n${USAGE}`);
    return 2;
  }
  const { workloads, isInside, rest, atMost = Number.POSITIVE_INFINITY } = options;
  // Report an unwritable folder before hours of rounds rather than after them.
  try {
    mkdirSync(options.into, { recursive: true });
    accessSync(options.into, constants.W_OK);
  } catch (error) {
    console.error(`--into ${options.into}: ${/** @type {Error} */ (error).message}`);
    return 2;
  }
  const separates = !isInside && canMakeNamespace();
  if (!separates) endChildrenBySignal();
  if (isInside) endWithParent();
  if (!separates && !isInside)
    console.log(
      "note: cannot create a network namespace: sockets of other programs share ports and counters with the run",
    );
  const codes = [];
  for (const name of workloads) {
    // Downloads happen here, because the run's own namespace has no network.
    if (separates) prepareContenders(KNOWN[name], { nofileHard: Number.POSITIVE_INFINITY, only: options.only, atMost });
    const code = separates
      ? await runInNamespace([process.execPath, fileURLToPath(import.meta.url), name, "--inside", ...rest])
      : await runWorkload(KNOWN[name], options);
    // A signal applies to the whole run.
    if (code > 128) return code;
    codes.push(code);
  }
  // Ignore workloads that could not run, unless none could.
  return Math.max(...(codes.some((code) => code !== 2) ? codes.filter((code) => code !== 2) : codes));
}

/** @returns the options, or a sentence that says what is wrong with them */
function readOptions() {
  try {
    const { values, positionals, tokens } = parseArgs({
      allowPositionals: true,
      tokens: true,
      options: {
        rounds: { type: "string" },
        contender: { type: "string", multiple: true },
        "at-most": { type: "string" },
        into: { type: "string", default: "artifacts" },
        inside: { type: "boolean", default: false },
      },
    });
    const workloads = positionals.flatMap((name) => (name === "all" ? ALL : [name]));
    if (workloads.length === 0) return "no workload given";
    const unknown = workloads.find((name) => !Object.hasOwn(KNOWN, name));
    if (unknown !== undefined) return `unknown workload: "${unknown}"`;
    const counts = [values.rounds, values["at-most"]].map((text) => (text === undefined ? undefined : Number(text)));
    if (counts.some((count) => count !== undefined && !(Number.isInteger(count) && count >= 1)))
      return "--rounds and --at-most require a number of 1 or more";
    const [rounds, atMost] = counts;
    const rest = tokens.flatMap((token) => (token.kind === "option" ? [`--${token.name}=${token.value}`] : []));
    return { workloads, rounds, atMost, only: values.contender, into: values.into, isInside: values.inside, rest };
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}
