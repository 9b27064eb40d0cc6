// A program that takes a socket snapshot. The program runs inside one of the lab's hosts, reads the socket table
// there, and prints what involves the port and the addresses of both hosts. Over loopback, one table contains both
// hosts and unrelated sockets.

import { PORT_ROLE, portFields } from "../../socket-table/ports/ports-in-use.js";
import { forEachSocket, type SocketView, stateMask } from "../../socket-table/table.js";
import { TIMER } from "../../socket-table/view.js";
import { parseIp } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import type { SeenField, SeenTimer, SnapshotRequest, SocketSnapshot } from "./socket-snapshot.js";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

// Print whitespace, which JSON ignores, to show that Node has started. Node may hang on startup (NODE_START_MS).
process.stdout.write("\n");
const { host, port, ips, peerIps, tuples: most }: SnapshotRequest = JSON.parse(process.argv[2]!);
const QUERY = {
  either: { ports: [{ first: port, last: port }] },
  local: { addresses: [rangeOf(ips)] },
  remote: { addresses: [rangeOf(peerIps)] },
};

const CONNECTION = PORT_ROLE.accepted | PORT_ROLE.connected;

const tuples: SocketSnapshot["tuples"][number][] = [];
const states: Record<string, number> = {};
const timers = new Map<string, Writable<SeenTimer>>();
const sourcePorts = new Uint8Array(65_536);
let incoming = 0;
let outgoing = 0;
// Not awaited: the single executable runs this module as CommonJS.
void printSnapshot();

async function printSnapshot(): Promise<void> {
  const beforeMs = Date.now();
  const { source } = await forEachSocket(QUERY, (socket) => {
    states[socket.stateName] = (states[socket.stateName] ?? 0) + 1;
    noteTimer(socket);
    if (socket.stateName !== "ESTABLISHED") return;
    // A client's local port may happen to have the same number.
    if (host === "server" && socket.localPort === port) incoming++;
    else if (socket.remotePort === port) {
      outgoing++;
      sourcePorts[socket.localPort] = 1;
    }
    if (tuples.length >= most) return;
    tuples.push({
      sourceIp: socket.localIp,
      sourcePort: socket.localPort,
      destinationIp: socket.remoteIp,
      destinationPort: socket.remotePort,
    });
  });
  const afterMs = Date.now();
  // Do not filter by port, to show any other ports that the host used for these connections.
  const { local, remote } = QUERY;
  const { fields } = await portFields({ local, remote, states: stateMask(["ESTABLISHED"]) });
  const socketSnapshot: SocketSnapshot = {
    source,
    atMs: [beforeMs, afterMs],
    states,
    timers: [...timers.values()],
    incoming,
    outgoing,
    sourcePorts: sourcePorts.reduce((sum, used) => sum + used, 0),
    tuples,
    // Exclude the unspecified address, which belongs to unrelated listeners.
    fields: fields
      .filter(({ ip }) => ips.includes(ip))
      .map(({ ip, roles, socketCount }): SeenField => ({ ip, sockets: socketCount, used: runsOf(roles) })),
  };
  process.stdout.write(JSON.stringify(socketSnapshot));
}

/** Returns the range of a host's addresses, which are consecutive. */
function rangeOf(addresses: readonly string[]): AddressRange {
  return { first: parseIp(addresses[0]!), count: addresses.length };
}

function noteTimer({ stateName: state, timer, timerMs }: SocketView): void {
  let noted = timers.get(state);
  if (noted === undefined) {
    noted = { state, without: 0, shortestMs: 0, longestMs: 0 };
    timers.set(state, noted);
  }
  if (timer === TIMER.none) noted.without++;
  else {
    noted.shortestMs = noted.longestMs === 0 ? timerMs : Math.min(noted.shortestMs, timerMs);
    noted.longestMs = Math.max(noted.longestMs, timerMs);
  }
}

function runsOf(roles: Uint8Array): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (let port = 0; port < roles.length; port++) {
    if ((roles[port]! & CONNECTION) === 0) continue;
    const run = runs.at(-1);
    if (run && run[1] === port - 1) run[1] = port;
    else runs.push([port, port]);
  }
  return runs;
}
