// A testbed of a server and several clients, each in a network namespace of its own with a link to the server's.
import type { Link } from "./addresses.js";
import { Host } from "./host.js";
import { ipBatch, joinByLink } from "./link.js";
import { holdNamespaces, type NamespaceHolder } from "./namespace-holder.js";
import { holdBeside, insideOf, openAsRoot } from "./namespaces.js";

/** The server's address, which all clients have a route to. */
const SERVER_IP = "10.78.0.1";

export interface Star {
  readonly server: Host;
  readonly clients: readonly Host[];
  readonly serverIp: string;
  /** Ends everything started in the hosts, and removes the hosts. */
  close(): Promise<void>;
}

/**
 * Creates the hosts. The calling thread must stay alive, because programs in the hosts exit with it.
 *
 * @param clients 1 to 200
 * @throws {AppError} E_SYSTEM if this host does not allow namespaces or lacks a program; nothing is left behind
 */
export function openStar(clients: number): Promise<Star> {
  return openAsRoot((user) => openIn(user, clients));
}

async function openIn(user: readonly string[], count: number): Promise<Star> {
  const held: NamespaceHolder[] = [];
  const hosts: Host[] = [];
  const close = async () => {
    // The clients close their connections first, rather than losing them.
    await Promise.all(hosts.slice(1).map((host) => host.close()));
    await hosts[0]?.close();
    await Promise.all(held.map((holder) => holder.end()));
  };
  try {
    const hub = await holdNamespaces([], [...user, "--net"]);
    held.push(hub);
    const links = Array.from({ length: count }, (_, n) => linkOf(n + 1));
    const server = new Host({
      ...insideOf(hub, user),
      name: "server",
      ips: [SERVER_IP],
      peerIps: links.map(({ ip }) => ip),
      device: "lo",
    });
    hosts.push(server);
    await ipBatch(server, ["link set lo up", `address add ${SERVER_IP}/32 dev lo`]);
    for (const link of links) {
      const holder = await holdBeside(hub, user);
      held.push(holder);
      hosts.push(await join(server, holder, user, link));
    }
    return { server, clients: hosts.slice(1), serverIp: SERVER_IP, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Returns the n-th link, from 1. */
function linkOf(n: number): Link {
  return { routerDevice: `to-client-${n}`, routerIp: `10.78.${n}.1`, device: "to-server", ip: `10.78.${n}.2` };
}

/** Joins a client's namespace to the server's. */
async function join(server: Host, holder: NamespaceHolder, user: readonly string[], link: Link): Promise<Host> {
  const { device, ip, routerIp } = link;
  const client = new Host({
    ...insideOf(holder, user),
    name: "client",
    ips: [ip],
    peerIps: [SERVER_IP],
    device,
  });
  await ipBatch(client, ["link set lo up"]);
  await joinByLink(server, client, holder.pid, link);
  await ipBatch(client, [`route add ${SERVER_IP} via ${routerIp}`]);
  return client;
}
