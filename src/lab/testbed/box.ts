// A box between the lab's two hosts: a router in a third network namespace.
import type { Link } from "./addresses.js";
import { type Box, Host, type HostSettings } from "./host.js";
import { ipBatch, joinByLink } from "./link.js";
import type { NamespaceHolder } from "./namespace-holder.js";

type End = "client" | "server";

const LINKS: Record<End, Link> = {
  client: { routerDevice: "to-client", routerIp: "10.78.1.1", device: "to-box", ip: "10.78.1.2" },
  server: { routerDevice: "to-server", routerIp: "10.78.2.1", device: "to-box", ip: "10.78.2.2" },
};

/**
 * Joins the box to both hosts, and removes it if that fails.
 *
 * @param inside how programs run in the box
 * @param holder holds the box's namespace
 * @param ends the hosts, with the holders of their namespaces
 * @param signal once it is aborted, nothing more can be started in the box
 */
export async function openBox(
  inside: Pick<HostSettings, "enter" | "isNamespace">,
  holder: NamespaceHolder,
  ends: Record<End, readonly [Host, NamespaceHolder]>,
  signal: AbortSignal,
): Promise<Box> {
  const links = Object.values(LINKS);
  const host = new Host({
    ...inside,
    name: "box",
    ips: links.map(({ routerIp }) => routerIp),
    peerIps: links.map(({ ip }) => ip),
    device: LINKS.server.routerDevice,
  }).within(signal);
  const close = async () => {
    await host.close();
    await holder.end();
  };
  try {
    await ipBatch(host, ["link set lo up"]);
    for (const end of ["client", "server"] as const) {
      const [peer, { pid }] = ends[end];
      await joinByLink(host, peer, pid, LINKS[end]);
    }
    return { host, links: LINKS, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
