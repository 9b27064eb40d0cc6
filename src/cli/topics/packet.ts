// Options for connections without kernel sockets on the command line: `fourtuple connect --help packet`.
import { Option } from "commander";
import { engineOption, networkOptions, transportOption } from "../parse.js";
import type { Topic } from "./topic.js";

const SOURCES = () =>
  new Option("--source-ip <addresses>", "required: addresses that no host uses, routed to this run's TUN devices");

export const packetTopic: Topic = {
  options: (role) => [
    transportOption(),
    ...(role === "connect" ? [SOURCES()] : []),
    ...networkOptions(),
    engineOption(),
  ],
  examples: {
    connect: `
TCP in this program: a connection takes no kernel memory, descriptor or port at this end, so the server's end is the
limit. It needs CAP_NET_ADMIN and /dev/net/tun. The server must be at an address other than loopback. For a server on
another host, a router must send packets for the source addresses here, or they are spare addresses of this host's own
network; see --apply. It does not test a real client's TCP. See docs/packet-transport.md.

Examples:
  sudo ip address add 10.99.0.1/32 dev lo; fourtuple serve 10.99.0.1:7777
  sudo fourtuple connect 10.99.0.1:7777 --transport packet --source-ip 10.128.0.0/10 -c 1m
  sudo fourtuple connect 192.168.1.9:7777 --transport packet --source-ip 192.168.1.200-192.168.1.219 -c 900 --apply
  sudo fourtuple connect ws://10.99.0.1:7777 --transport packet --source-ip 10.128.0.0/10 -c 1m --ping-interval 60s`,
    serve: `
TCP in this program: a connection takes no kernel memory or descriptor at this end. The address must belong to no
host. It needs CAP_NET_ADMIN and /dev/net/tun. Clients on other hosts reach it if a router sends its address here, or
if it is a spare address of this host's own network; see --apply.
See docs/packet-transport.md.

Examples:
  sudo fourtuple serve 10.65.0.1:7777 --transport packet
  sudo fourtuple connect 10.65.0.1:7777 --transport packet --source-ip 10.66.0.0/16 -c 100k --authorized`,
  },
};
