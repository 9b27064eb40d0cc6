// Links between namespaces: veth pairs, set up by iproute2.
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../../util/errors.js";
import type { Link } from "./addresses.js";
import type { Host } from "./host.js";

/** Length of the prefix of a link's two addresses. */
export const LINK_BITS = 24;
const POLL_MS = 5;
const GRACE_MS = 5000;

/**
 * Joins a host to a router, and waits until packets pass.
 *
 * @param pid a process in the host's namespace
 */
export async function joinByLink(router: Host, host: Host, pid: number, link: Link): Promise<void> {
  const { routerDevice, routerIp, device, ip } = link;
  await ipBatch(router, [
    `link add ${routerDevice} type veth peer name ${device} netns ${pid}`,
    `address add ${routerIp}/${LINK_BITS} dev ${routerDevice}`,
    `link set ${routerDevice} up`,
  ]);
  await ipBatch(host, [`address add ${ip}/${LINK_BITS} dev ${device}`, `link set ${device} up`]);
  await linkIsUp(router, routerDevice);
  await linkIsUp(host, device);
}

/** Runs several `ip` commands at once. */
export async function ipBatch(host: Host, commands: readonly string[]): Promise<void> {
  await host.exec("sh", ["-c", 'printf "%s\\n" "$@" | ip -batch -', "sh", ...commands]);
}

/** Waits until packets pass. An interface drops packets until the kernel has noticed that the other end is up too. */
export async function linkIsUp(host: Host, device = host.device): Promise<void> {
  const endMs = performance.now() + GRACE_MS;
  while (!(await host.exec("ip", ["-oneline", "link", "show", device])).includes(" state UP ")) {
    if (performance.now() > endMs) throw new AppError("E_SYSTEM", `the link ${device} did not come up`);
    await delay(POLL_MS);
  }
}
