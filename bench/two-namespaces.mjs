// Two network namespaces joined by a veth pair: a server in one, clients in the other. The client's namespace also forwards
// packets of clients without kernel sockets, whose addresses the server reaches through it.
import { execFileSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

const HOLDER = new URL("../dist/lab/testbed/namespace-holder.js", import.meta.url);

export const SERVER_IP = "10.77.0.1";
const CLIENT_IPS = Array.from({ length: 32 }, (_, n) => `10.77.1.${n + 1}`);
const PACKET_SOURCES = "10.128.0.0/9";
/** Size of the kernel's usual table of established connections on a host with 24 GiB. */
const LEAST_HASH_ENTRIES = 2 ** 18;
const LINK_DEADLINE_MS = 10_000;
const LINK_POLL_MS = 5;
const HASH_ENTRIES = "/proc/sys/net/ipv4/tcp_child_ehash_entries";

/** @typedef {import("./sockets.mjs").Place & { close: () => Promise<void> }} Namespaces */

/**
 * @param {{ atMost: number }} conditions maximum number of connections
 * @returns {Promise<Namespaces>}
 * @throws if namespaces cannot be created, which takes root
 */
export async function openNamespaces({ atMost }) {
  const { holdNamespaces } = await import(HOLDER.href);
  const entries = Math.max(LEAST_HASH_ENTRIES, Number.isFinite(atMost) ? 2 ** Math.ceil(Math.log2(atMost)) : 0);
  // A namespace takes the size of its table from the one in which it is created: here, from a namespace in between, so
  // that this host's own setting stays as it is.
  const withTable = ["unshare", "--net", "sh", "-c", `echo ${entries} > ${HASH_ENTRIES} && exec "$@"`, "sh"];
  const server = await holdNamespaces(withTable, ["--net"]);
  const client = await holdNamespaces([], ["--net"]);
  const enter = (/** @type {{ pid: number }} */ { pid }) => ["nsenter", "--target", `${pid}`, "--net", "--"];
  const place = { ip: SERVER_IP, server: enter(server), client: enter(client) };
  const close = async () => {
    await Promise.all([server.end(), client.end()]);
  };
  try {
    const link = `link add to-client type veth peer name to-server netns ${client.pid}`;
    ip(place.server, "link set lo up", link, `address add ${SERVER_IP}/16 dev to-client`, "link set to-client up");
    ip(
      place.client,
      "link set lo up",
      ...CLIENT_IPS.map((address) => `address add ${address}/16 dev to-server`),
      "link set to-server up",
    );
    await linkIsUp(place.client);
    ip(place.server, `route add ${PACKET_SOURCES} via ${CLIENT_IPS[0]}`);
    execute([...place.client, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    execute([...place.server, "sysctl", "-qw", "net.core.somaxconn=65535"]);
    return { ...place, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Waits until the link carries packets. Before that, a client finds no route through it.
 *
 * @param {string[]} enter
 */
async function linkIsUp(enter) {
  const endMs = performance.now() + LINK_DEADLINE_MS;
  while (!execute([...enter, "ip", "-oneline", "link", "show", "to-server"]).includes(" state UP ")) {
    if (performance.now() > endMs) throw new Error("the link between the namespaces did not come up");
    await delay(LINK_POLL_MS);
  }
}

/**
 * @param {string[]} enter
 * @param {string[]} commands
 */
function ip(enter, ...commands) {
  execute([...enter, "ip", "-batch", "-"], commands.join("\n"));
}

/**
 * @param {string[]} command
 * @param {string} [input]
 * @returns {string} its output
 */
function execute([program = "", ...args], input = "") {
  return execFileSync(program, args, { input, encoding: "utf8", stdio: "pipe" });
}
