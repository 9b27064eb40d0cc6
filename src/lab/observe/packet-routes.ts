// Lets packets of connections without kernel sockets, whose addresses belong to no interface, reach the other host.
import { AppError } from "../../util/errors.js";
import type { Box, Host } from "../testbed/host.js";
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

interface Route {
  readonly host: Host;
  readonly to: string;
  readonly via: string;
}

/**
 * Routes the clients' addresses to the client's host.
 *
 * @throws {AppError} E_PLATFORM over loopback
 */
export async function routePackets({ server, client, description }: Testbed): Promise<PacketRoutes> {
  if (description.kind === "loopback") throw needsTwoHosts();
  return establish([client], [{ host: server, to: SOURCES, via: client.ips[0]! }]);
}

/**
 * Puts a box between the hosts.
 *
 * @throws {AppError} E_PLATFORM over loopback
 */
export async function addBox({ addBox }: Testbed, signal: AbortSignal): Promise<Box> {
  if (addBox === undefined) throw needsTwoHosts();
  return addBox(signal);
}

/** Routes the clients' addresses to the client's host, and PACKET_SERVER_IP to the server's, through the box. */
export async function routeThrough({ host: box, links }: Box, { server, client }: Testbed): Promise<PacketRoutes> {
  return establish(
    [client, box, server],
    [
      { host: client, to: PACKET_SERVER_IP, via: links.client.routerIp },
      { host: box, to: PACKET_SERVER_IP, via: links.server.ip },
      { host: box, to: SOURCES, via: links.client.ip },
      { host: server, to: SOURCES, via: links.server.routerIp },
    ],
  );
}

/** @param forwarding the hosts that forward packets, each between a link and a TUN device or another link */
async function establish(forwarding: readonly Host[], routes: readonly Route[]): Promise<PacketRoutes> {
  const before = (await forwarding[0]!.readSysctl(FORWARDING)) ?? "0";
  for (const host of forwarding) await host.setSysctl(FORWARDING, "1");
  for (const { host, to, via } of routes) await host.exec("ip", ["route", "replace", to, "via", via]);
  // What was set in a box disappears with it.
  const routesToUndo = routes.filter(({ host }) => host.name !== "box");
  const forwardingToUndo = forwarding.filter(({ name }) => name !== "box");
  return {
    make: [
      ...forwarding.map(({ name }) => `$${name} sysctl -qw ${FORWARDING}=1`),
      ...routes.map(({ host, to, via }) => `$${host.name} ip route replace ${to} via ${via}`),
    ],
    remove: [
      ...routesToUndo.map(({ host, to, via }) => `$${host.name} ip route delete ${to} via ${via}`),
      ...forwardingToUndo.map(({ name }) => `$${name} sysctl -qw ${FORWARDING}=${before}`),
    ],
    // Once the lab has been stopped, nothing more can be run in the hosts, and their settings disappear with them.
    [Symbol.asyncDispose]: async () => {
      for (const { host, to, via } of routesToUndo)
        await host.exec("ip", ["route", "delete", to, "via", via]).catch(() => undefined);
      for (const host of forwardingToUndo) await host.setSysctl(FORWARDING, before).catch(() => undefined);
    },
  };
}

function needsTwoHosts(): AppError {
  return new AppError("E_PLATFORM", "packets of connections without kernel sockets cannot pass over loopback", {
    fix: "let the lab create two hosts: as root, without --loopback",
  });
}
