// A testbed of a server and several clients, each in a network namespace of its own with a link to the server's.
import { Host } from "./host.js";
import { holdNamespaces, type NamespaceHolder } from "./namespace-holder.js";
import { holdBeside, insideOf, ipBatch, linkIsUp, openAsRoot } from "./namespaces.js";

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
      peerIps: links.map(({ clientIp }) => clientIp),
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

interface StarLink {
  readonly device: string;
  readonly serverIp: string;
  readonly clientIp: string;
}

/** Returns the names and addresses of the n-th link, from 1. */
function linkOf(n: number): StarLink {
  return { device: `to-client-${n}`, serverIp: `10.78.${n}.1`, clientIp: `10.78.${n}.2` };
}

/** Joins a client's namespace to the server's. */
async function join(
  server: Host,
  holder: NamespaceHolder,
  user: readonly string[],
  { device, serverIp, clientIp }: StarLink,
): Promise<Host> {
  const client = new Host({
    ...insideOf(holder, user),
    name: "client",
    ips: [clientIp],
    peerIps: [SERVER_IP],
    device: "to-server",
  });
  await ipBatch(server, [
    `link add ${device} type veth peer name ${client.device} netns ${holder.pid}`,
    `address add ${serverIp}/24 dev ${device}`,
    `link set ${device} up`,
  ]);
  await ipBatch(client, [
    "link set lo up",
    `address add ${clientIp}/24 dev ${client.device}`,
    `link set ${client.device} up`,
    `route add ${SERVER_IP} via ${serverIp}`,
  ]);
  await linkIsUp(server, device);
  await linkIsUp(client);
  return client;
}
