// Where the demo runs: on loopback, or, if memory for kernel clients is short, in two network namespaces with clients
// that take no kernel memory.

import { COMMITTED_COST } from "../../capacity/calibration.js";
import { readMemoryRoom, roomAboveFloor } from "../../engine/memory-floor.js";
import { fileMaxFor, readFileRoom } from "../../engine/open-files-reserve.js";
import { jsonOf } from "../../lab/observe/client-load.js";
import { PACKET_CLIENT, routePackets } from "../../lab/observe/packet-routes.js";
import { openTestbed, type Testbed } from "../../lab/testbed/testbed.js";
import type { FileRoom, MemoryRoom } from "../../results/evidence.js";
import type { SocketTable } from "../../results/sockets/socket-table.js";
import { countSockets } from "../../socket-table/count.js";
import { sampleFourTuples } from "../../socket-table/sample.js";
import { parseIp } from "../../util/address.js";
import type { FourTuple } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import type { Subprocess } from "../../util/subprocess.js";
import { formatBytes, formatCount } from "../../util/units.js";
import { startCommand } from "./process.js";

/**
 * Server ports to try, in this order; 0 lets the kernel choose. Low ports are rarely in use as source ports of other
 * programs.
 */
const PORTS = [7777, 7778, 7779, 0];

/** Files that other programs may open during a demo. */
const SPARE_FILES = 10_000;

export interface DemoPlace extends AsyncDisposable {
  /** A line about the place, if there is more in it than a server and a client. */
  readonly title?: string;
  readonly serverIp: string;
  /** Number of ends of each connection that have kernel sockets on this host. */
  readonly ends: number;
  /** Ports to try for the server. */
  readonly ports: readonly number[];
  startServer(args: readonly string[]): Subprocess;
  startClient(args: readonly string[]): Subprocess;
  /** Returns options of the client, for a server on this port. */
  clientOptions(port: number): readonly string[];
  count(port: number): Promise<{ readonly sockets: number; readonly source: string }>;
  /** Returns some of the connections to the server's process. */
  examples(port: number, server: Subprocess, count: number): FourTuple[];
}

export function openLoopback(): DemoPlace {
  const serverIp = "127.0.0.1";
  return {
    serverIp,
    ends: 2,
    ports: PORTS,
    startServer: (args) => startCommand(...args),
    startClient: (args) => startCommand(...args),
    // Exclude the server's port from the source ports, so that every socket with that port belongs to a different
    // connection.
    clientOptions: (port) => ["--source-port", port < 32768 ? `${port + 1}-65535` : `1024-${port - 1}`],
    count: (port) => countSockets({ end: "local", ports: { first: port, last: port }, ips: [parseIp(serverIp)] }),
    examples: (port, _, count) => sampleFourTuples(port, count),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Returns why clients on the kernel's TCP would not fit into memory; undefined if they would. */
export function memoryObstacle(connections: number, room: MemoryRoom = readMemoryRoom()): string | undefined {
  const { kernelBytesPerEnd, chargedBytesPerEnd, userBytesPerEnd } = COMMITTED_COST;
  const bytesPerEnd = (room.bound === "host" ? kernelBytesPerEnd : chargedBytesPerEnd) + userBytesPerEnd;
  const needed = 2 * connections * bytesPerEnd;
  if (needed <= roomAboveFloor(room)) return undefined;
  return `both ends of ${formatCount(connections)} connections take about ${formatBytes(needed)} of memory, and ${formatBytes(Math.max(0, roomAboveFloor(room)))} may be used`;
}

/**
 * A server stops accepting before the host runs out of open files, so a demo that needs more would wait in vain.
 *
 * @throws {AppError} E_OPTION in that case
 */
export function assertFiles(
  connections: number,
  { ends }: Pick<DemoPlace, "ends">,
  room: FileRoom | undefined = readFileRoom(),
): void {
  if (room === undefined) return;
  const most = Math.max(0, Math.floor((room.max - room.reserve - room.open) / ends));
  if (connections <= most) return;
  const wanted = fileMaxFor(room.open + connections * ends + SPARE_FILES);
  const fewer = most === 0 ? "" : `, or --connections ${most}`;
  throw new AppError(
    "E_OPTION",
    `fs.file-max is ${formatCount(room.max)}, which allows ${formatCount(most)} connections`,
    { fix: `sysctl -w fs.file-max=${wanted}${fewer}` },
  );
}

/**
 * Returns two namespaces whose clients have no kernel sockets.
 *
 * @throws {AppError} E_PLATFORM, E_PERMISSION or E_SYSTEM if this host does not allow namespaces or TUN devices
 */
export async function openNamespaces(): Promise<DemoPlace> {
  const testbed = await openTestbed();
  try {
    await routePackets(testbed);
    await tryDevice(testbed);
    const place = placeIn({ ...testbed, serverIp: testbed.description.serverIp });
    return { ...place, ends: 1, clientOptions: () => [...PACKET_CLIENT, "--authorized"] };
  } catch (error) {
    await testbed.close();
    throw error;
  }
}

/** Returns a place in namespaces, whose client has no options of its own. */
export function placeIn({
  serverIp,
  server,
  client,
  close,
}: Pick<Testbed, "server" | "client" | "close"> & { readonly serverIp: string }): DemoPlace {
  return {
    serverIp,
    ends: 2,
    ports: PORTS,
    startServer: (args) => server.run(args),
    startClient: (args) => client.run(args),
    clientOptions: () => [],
    count: async (port) => {
      const line = ["ports", `${serverIp}:${port}`, "--json"];
      const { byState, source } = await jsonOf<SocketTable>(server.run(line), line.join(" "));
      return { sockets: byState.ESTABLISHED ?? 0, source };
    },
    examples: (port, { pid }, count) => sampleFourTuples(port, count, `/proc/${pid}/net/tcp`),
    [Symbol.asyncDispose]: close,
  };
}

/** Makes a TUN device for a moment. */
async function tryDevice({ client }: Testbed): Promise<void> {
  const device = ["mode", "tun", "name", "demo"];
  await client.exec("ip", ["tuntap", "add", ...device]);
  await client.exec("ip", ["tuntap", "delete", ...device]);
}
