// A testbed of two network namespaces joined by a veth pair. Without root, the namespaces are created in a user
// namespace in which this user is root.
import { AppError } from "../../util/errors.js";
import { addressesFrom, describeAddresses } from "./addresses.js";
import { openBox } from "./box.js";
import { DIES_WITH_US, Host, type HostPair, type HostSettings } from "./host.js";
import { ipBatch, linkIsUp } from "./link.js";
import { holdNamespaces, type NamespaceHolder } from "./namespace-holder.js";

const SERVER_IP = "10.77.0.1";
const FIRST_CLIENT_IP = "10.77.1.1";
export const PREFIX_BITS = 16;
/** Device names that say where the link leads, and differ from any that /sys shows for the whole machine. */
const SERVER_DEVICE = "to-client";
const CLIENT_DEVICE = "to-server";

/**
 * Creates the two hosts.
 *
 * @throws {AppError} E_SYSTEM if this host does not allow namespaces or lacks a program; nothing is left behind
 */
export function openNamespaces(clientAddresses: number): Promise<HostPair> {
  return openAsRoot((user) => openIn(user, clientAddresses));
}

/**
 * Opens a testbed as this user, or else as root of a user namespace.
 *
 * @param open takes the options of `unshare` for the first namespace
 * @throws {AppError} E_SYSTEM if neither is possible
 */
export async function openAsRoot<T>(open: (user: readonly string[]) => Promise<T>): Promise<T> {
  try {
    return await open([]);
  } catch (first) {
    if (!(first instanceof AppError)) throw first;
    return await open(["--user", "--map-root-user"]).catch((second: unknown) => {
      if (!(second instanceof AppError) || second.message === first.message) throw second;
      // The error from creating the user namespace would not by itself explain why one was needed.
      throw new AppError("E_SYSTEM", `${first.message}; in a user namespace: ${second.message}`, { cause: second });
    });
  }
}

async function openIn(user: readonly string[], clientAddresses: number): Promise<HostPair> {
  const held: NamespaceHolder[] = [];
  const hosts: Host[] = [];
  const close = async () => {
    for (const host of hosts.toReversed()) await host.close();
    await Promise.all(held.map((holder) => holder.end()));
  };
  try {
    const first = await holdNamespaces([], [...user, "--net"]);
    held.push(first);
    const second = await holdBeside(first, user);
    held.push(second);
    const inside = (holder: NamespaceHolder) => insideOf(holder, user);
    const clientIps = addressesFrom(FIRST_CLIENT_IP, clientAddresses);
    const server = new Host({
      ...inside(first),
      name: "server",
      ips: [SERVER_IP],
      peerIps: clientIps,
      device: SERVER_DEVICE,
    });
    const client = new Host({
      ...inside(second),
      name: "client",
      ips: clientIps,
      peerIps: [SERVER_IP],
      device: CLIENT_DEVICE,
    });
    hosts.push(server, client);
    const wire = ["type", "veth", "peer", "name", CLIENT_DEVICE, "netns", `${second.pid}`];
    await server.exec("ip", ["link", "add", SERVER_DEVICE, ...wire]);
    for (const host of hosts) await configure(host);
    for (const host of hosts) await linkIsUp(host);
    return {
      description: {
        kind: "namespaces",
        reason: undefined,
        serverIp: SERVER_IP,
        clientIps: describeAddresses(clientIps),
      },
      server,
      client,
      close,
      addBox: async (signal) => {
        const third = await holdBeside(first, user);
        held.push(third);
        return openBox(inside(third), third, { client: [client, second], server: [server, first] }, signal);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Creates another namespace inside the first one's user namespace, so that the same root owns both and can move one end
 * of a link.
 */
export function holdBeside(first: NamespaceHolder, user: readonly string[]): Promise<NamespaceHolder> {
  return holdNamespaces(enter(first, userOf(user)), ["--net"]);
}

/** Returns how a host runs programs in a namespace. */
export function insideOf(
  holder: NamespaceHolder,
  user: readonly string[],
): Pick<HostSettings, "enter" | "isNamespace"> {
  return { isNamespace: true, enter: [...enter(holder, [...userOf(user), "--net"]), ...DIES_WITH_US] };
}

function userOf(user: readonly string[]): string[] {
  return user.length > 0 ? ["--user", "--preserve-credentials"] : [];
}

function enter({ pid }: NamespaceHolder, namespaces: readonly string[]): string[] {
  return namespaces.length === 0 ? [] : ["nsenter", "--target", `${pid}`, ...namespaces, "--"];
}

/** Sets a host's addresses and brings its interfaces up. */
async function configure(host: Host): Promise<void> {
  await ipBatch(host, [
    "link set lo up",
    ...host.ips.map((ip) => `address add ${ip}/${PREFIX_BITS} dev ${host.device}`),
    `link set ${host.device} up`,
  ]);
}
