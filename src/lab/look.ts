// A program that runs inside one of the lab's hosts: reads the kernel's socket table there and prints what it sees of a port.
import { portFields } from "../ports/field.js";
import { socketTable } from "../ports/summary.js";
import { forEachSocket, stateMask } from "../ports/table.js";
import type { Look, SeenField, Sight } from "./sight.js";

const asked: Look = JSON.parse(process.argv[2]!);
const PORTS = { ports: [{ first: asked.port, last: asked.port }] };

const table = await socketTable({ port: asked.port });
const established = await socketTable({ port: asked.port, states: ["ESTABLISHED"] });
const tuples: Sight["tuples"][number][] = [];
const sourcePorts = new Uint8Array(65_536);
await forEachSocket({ states: stateMask(["ESTABLISHED"]), either: PORTS }, (socket) => {
  if (socket.remotePort === asked.port) sourcePorts[socket.localPort] = 1;
  if (tuples.length >= asked.tuples) return;
  tuples.push({
    sourceIp: socket.localIp,
    sourcePort: socket.localPort,
    destinationIp: socket.remoteIp,
    destinationPort: socket.remotePort,
  });
});
const { fields } = await portFields({ either: PORTS, states: stateMask(["ESTABLISHED", "LISTEN"]) });
const sight: Sight = {
  source: table.source,
  states: table.byState,
  incoming: established.incoming,
  outgoing: established.outgoing,
  sourcePorts: sourcePorts.reduce((sum, used) => sum + used, 0),
  listeners: table.listeners.length,
  tuples,
  fields: fields.map(({ ip, roles, socketCount }): SeenField => ({ ip, sockets: socketCount, used: runsOf(roles) })),
};
process.stdout.write(JSON.stringify(sight));

function runsOf(roles: Uint8Array): [first: number, last: number][] {
  const runs: [number, number][] = [];
  for (let port = 0; port < roles.length; port++) {
    if (roles[port] === 0) continue;
    const run = runs.at(-1);
    if (run && run[1] === port - 1) run[1] = port;
    else runs.push([port, port]);
  }
  return runs;
}
