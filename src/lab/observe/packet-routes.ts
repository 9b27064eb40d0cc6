// Lets clients without kernel sockets, whose addresses belong to no interface, reach the server's host.
import { AppError } from "../../util/errors.js";
import type { Testbed } from "../testbed/testbed.js";

/** Addresses of the clients and of a server without kernel sockets, outside the network between the hosts. */
const SOURCES = "10.128.0.0/16";
export const PACKET_SERVER_IP = "10.129.0.1";
/** Arguments of a client without kernel sockets. */
export const PACKET_CLIENT = ["--transport", "packet", "--source-ip", SOURCES] as const;
const FORWARDING = "net.ipv4.ip_forward";

export interface PacketRoutes extends AsyncDisposable {
  /** Shell commands that make and remove the routes. */
  readonly make: readonly string[];
  readonly remove: readonly string[];
}

/**
 * Routes the clients' addresses to the client's host, and PACKET_SERVER_IP to the server's. Both hosts forward packets.
 *
 * @throws {AppError} E_PLATFORM over loopback
 */
export async function routePackets({ server, client, description }: Testbed): Promise<PacketRoutes> {
  if (description.kind === "loopback") {
    throw new AppError("E_PLATFORM", "packets of connections without kernel sockets cannot pass over loopback", {
      fix: "let the lab create two hosts: as root, without --loopback",
    });
  }
  const before = (await client.readSysctl(FORWARDING)) ?? "0";
  const hosts = [server, client];
  for (const host of hosts) await host.setSysctl(FORWARDING, "1");
  const routes = [
    [server, [SOURCES, "via", client.ips[0]!]],
    [client, [PACKET_SERVER_IP, "via", server.ips[0]!]],
  ] as const;
  for (const [host, route] of routes) await host.exec("ip", ["route", "replace", ...route]);
  return {
    make: [
      ...hosts.map(({ name }) => `$${name} sysctl -qw ${FORWARDING}=1`),
      ...routes.map(([{ name }, route]) => `$${name} ip route replace ${route.join(" ")}`),
    ],
    remove: [
      ...routes.map(([{ name }, route]) => `$${name} ip route delete ${route.join(" ")}`),
      ...hosts.map(({ name }) => `$${name} sysctl -qw ${FORWARDING}=${before}`),
    ],
    // Once the lab has been stopped, nothing more can be run in the hosts, and their settings disappear with them.
    [Symbol.asyncDispose]: async () => {
      for (const [host, route] of routes) await host.exec("ip", ["route", "delete", ...route]).catch(() => undefined);
      for (const host of hosts) await host.setSysctl(FORWARDING, before).catch(() => undefined);
    },
  };
}
