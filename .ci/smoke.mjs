// Tests the installed package with the Node that runs this file: it exercises the library, and each command once over
// loopback. Usage: node smoke.mjs <folder with node_modules/fourtuple>
// [executable]; the single executable, if given, runs the commands.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const folder = resolve(process.argv[2] ?? ".", "node_modules/fourtuple");
const { connect, serve } = await import(pathToFileURL(join(folder, "dist/index.js")).href);
const executable = process.argv[3];
const program = executable === undefined ? [process.execPath, join(folder, "dist/cli/main.js")] : [executable];
const scratch = mkdtempSync(join(tmpdir(), "fourtuple-smoke-"));

try {
  const server = await serve({ at: "127.0.0.1:0", mode: "echo" });
  const at = `127.0.0.1:${server.address.port}`;
  const run = await connect({ to: at, connections: 500, durationMs: 200, message: "ping" });
  const { established, isTargetMet, kernel } = await run.done;
  expect(established === 500 && isTargetMet, `the library opened ${established} of 500`);
  expect(kernel?.outgoing === 500, `the kernel counted ${kernel?.outgoing}`);

  expect(/^\d+\.\d+\.\d+/.test(await cli("--version")), "no version");
  const result = (await cli("connect", at, "-c", "200", "-T", "200ms", "-m", "ping", "--json"))
    .trim()
    .split("\n")
    .at(-1);
  expect(JSON.parse(result ?? "{}").established === 200, `connect printed ${result}`);
  expect(JSON.parse(await cli("ports", at, "--json")).kind === "sockets", "ports printed something else");
  await cli("doctor", "-c", "1000", "--no-measure");
  writeFileSync(join(scratch, "run.json"), `${result}\n`);
  await cli("report", join(scratch, "run.json"));
  expect(statSync(join(scratch, "run.html")).size > 10_000, "the page is short");
  await server.stop();
  await checkProtocol(join(scratch, "line.mts"));
  console.log(`smoke: passed with ${executable ?? `Node ${process.version}`}`);
} finally {
  rmSync(scratch, { recursive: true });
}

/**
 * Tries out a user-defined protocol, starting from the file that `protocol new` writes. The folder does not have the
 * package installed; Node 22.15 and later find it anyway. TypeScript needs Node 22.18 or newer.
 *
 * @param {string} file
 */
async function checkProtocol(file) {
  await cli("protocol", "new", file);
  const args = ["protocol", "check", file, "-c", "50", "-T", "200ms"];
  if (executable !== undefined || process.features.typescript) {
    const printed = await cli(...args);
    expect(/50 connections +50 ready/.test(printed), `${file}: ${printed}`);
    return;
  }
  const { status, stderr } = spawnSync(/** @type {string} */ (program[0]), [...program.slice(1), ...args], {
    encoding: "utf8",
  });
  expect(status === 2 && stderr.includes("does not run TypeScript"), `${file}: exit code ${status}, ${stderr}`);
}

/** @param {string[]} args @returns {Promise<string>} the command's output */
async function cli(...args) {
  const child = spawn(/** @type {string} */ (program[0]), [...program.slice(1), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    printed += text;
  });
  const [code] = await once(child, "close");
  // Exit code 1 is a valid answer: this host may not be able to hold that many connections.
  expect(code === 0 || (code === 1 && args[0] === "doctor"), `fourtuple ${args.join(" ")}: exit code ${code}`);
  return printed;
}

/** @param {boolean} isSo @param {string} otherwise */
function expect(isSo, otherwise) {
  if (!isSo) throw new Error(otherwise);
}
