// Shell commands to reproduce the lab by hand, as root: they create the two hosts and repeat an experiment in them.
// $server, $client and $box are command prefixes that run a program in a host. Over loopback, the prefixes are empty, so
// that all other lines are the same.

import type { EngineChoice } from "../results/engine.js";
import type { LabReproduction } from "../results/lab/lab.js";
import { parseHostPorts } from "../util/endpoint.js";
import type { Box, HostPair } from "./testbed/host.js";
import { LINK_BITS } from "./testbed/link.js";
import { PREFIX_BITS } from "./testbed/namespaces.js";

const SERVER = "lab-server";
const CLIENT = "lab-client";
const BOX = "lab-box";
/** Hold time of a client that is not inspected. */
const HOLD = "2s";
/**
 * `listening 7777` waits until a server listens. `connected 7777 4` waits until the server's table has 4 connections
 * and prints that line.
 */
const WAITS = [
  'listening() { until $server fourtuple ports ":$1" --listening >/dev/null; do sleep 0.1; done; }',
  'connected() { until $server fourtuple ports ":$1" | grep "^$2 ESTABLISHED"; do sleep 0.1; done; }',
];

/** Stops the background programs of an experiment. */
export const END_BY_HAND = "kill $(jobs -p); wait";

/** Returns the commands that create and remove two equivalent hosts. */
export function reproduceHosts({ description, server, client }: HostPair): LabReproduction {
  if (description.kind === "loopback") return { make: ["server= client=", ...WAITS], remove: [] };
  return {
    make: [
      `ip netns add ${SERVER}`,
      `ip netns add ${CLIENT}`,
      `ip link add ${server.device} netns ${SERVER} type veth peer name ${client.device} netns ${CLIENT}`,
      `ip -n ${SERVER} address add ${server.ips[0]}/${PREFIX_BITS} dev ${server.device}`,
      `for ip in ${braces(client.ips)}; do ip -n ${CLIENT} address add $ip/${PREFIX_BITS} dev ${client.device}; done`,
      `ip -n ${SERVER} link set lo up; ip -n ${SERVER} link set ${server.device} up`,
      `ip -n ${CLIENT} link set lo up; ip -n ${CLIENT} link set ${client.device} up`,
      `server="ip netns exec ${SERVER}" client="ip netns exec ${CLIENT}"`,
      ...WAITS,
    ],
    remove: [`ip netns delete ${CLIENT}; ip netns delete ${SERVER}`],
  };
}

/** Returns the commands that put an equivalent box between the two hosts, and remove it. */
export function reproduceBox({ links: { client, server } }: Pick<Box, "links">): LabReproduction {
  const ends = [
    { name: CLIENT, link: client },
    { name: SERVER, link: server },
  ];
  return {
    make: [
      `ip netns add ${BOX}`,
      ...ends.flatMap(({ name, link: { routerDevice, routerIp, device, ip } }) => [
        `ip link add ${routerDevice} netns ${BOX} type veth peer name ${device} netns ${name}`,
        `ip -n ${BOX} address add ${routerIp}/${LINK_BITS} dev ${routerDevice}; ip -n ${BOX} link set ${routerDevice} up`,
        `ip -n ${name} address add ${ip}/${LINK_BITS} dev ${device}; ip -n ${name} link set ${device} up`,
      ]),
      `box="ip netns exec ${BOX}"`,
    ],
    remove: [`ip netns delete ${BOX}`],
  };
}

/**
 * Returns the command line to type by hand, with the prefix of its host and the options that the lab adds.
 *
 * @param line `serve` or `connect` with its arguments, starting with the address
 */
export function commandOf(line: readonly string[]): string {
  const [command, at] = line;
  const typed = `fourtuple ${line.join(" ")}`;
  if (command === "serve") return `$server ${typed} & listening ${parseHostPorts(at!).ports.first}`;
  const isGiven = (option: string) => line.includes(option);
  const close = isGiven("--close") ? "" : " --close rst";
  const hold = isGiven("-T") ? "" : ` -T ${HOLD}`;
  return `$client ${typed}${close}${hold} --authorized`;
}

/** Adds `--engine` to the programs in a line of commands, as Host.run() does. */
export function withEngine(line: string, engine: EngineChoice): string {
  if (engine === "auto" || line.includes("--one-table")) return line;
  return line.replaceAll(/\bfourtuple (?:serve \S+|connect \S+|doctor)/g, `$& --engine ${engine}`);
}

/** Writes addresses as a shell expansion: `10.77.1.1` to `10.77.2.44` become `10.77.1.{1..255} 10.77.2.{0..44}`. */
function braces(ips: readonly string[]): string {
  const netOf = (ip: string) => ip.slice(0, ip.lastIndexOf("."));
  const nets = new Set(ips.map(netOf));
  return [...nets]
    .map((net) => {
      const hosts = ips.filter((ip) => netOf(ip) === net).map((ip) => ip.slice(net.length + 1));
      return `${net}.{${hosts[0]}..${hosts.at(-1)}}`;
    })
    .join(" ");
}
