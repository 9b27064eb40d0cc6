// A network namespace of the run's own, which lasts as long as the run: nobody else's sockets, and an ephemeral range
// that is wide enough for peers that leave the choice of ports to the kernel.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

const PORT_RANGE = "10000 65535";
const SETUP = `ip link set lo up && echo "${PORT_RANGE}" > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"`;

/** @returns {boolean} */
export function canMakeNamespace() {
  return spawnSync("unshare", ["--net", "sh", "-c", SETUP, "sh", "true"], { stdio: "ignore" }).status === 0;
}

/**
 * @param {string[]} command
 * @returns {Promise<number>} its exit code
 */
export async function runInNamespace(command) {
  const child = spawn("unshare", ["--net", "sh", "-c", SETUP, "sh", ...command], { stdio: "inherit" });
  const pass = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, pass);
  const [code] = await once(child, "close");
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.off(signal, pass);
  return code ?? 1;
}
