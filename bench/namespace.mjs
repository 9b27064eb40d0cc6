// Creates the network namespace of a run: it contains no sockets of other programs, and its ephemeral range is
// wide enough for contenders that let the kernel choose ports.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { exitCodeOf, STOP_SIGNALS } from "./child.mjs";

const PORT_RANGE = "10000 65535";
const SETUP = `ip link set lo up && echo "${PORT_RANGE}" > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"`;

/** @returns {boolean} */
export function canMakeNamespace() {
  return spawnSync("unshare", ["--net", "sh", "-c", SETUP, "sh", "true"], { stdio: "ignore" }).status === 0;
}

/**
 * @param {string[]} command
 * @returns {Promise<number>} its exit code; after a signal, the code that a shell would report
 */
export async function runInNamespace(command) {
  const child = spawn("unshare", ["--net", "sh", "-c", SETUP, "sh", ...command], { stdio: "inherit" });
  const pass = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  for (const signal of STOP_SIGNALS) process.on(signal, pass);
  const [code, signal] = await once(child, "close");
  for (const signal of STOP_SIGNALS) process.off(signal, pass);
  return code ?? exitCodeOf(signal);
}
