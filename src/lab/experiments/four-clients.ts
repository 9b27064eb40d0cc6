// E1: repeats the blog post's experiment with four clients of one server, and shows the ports on both sides.
import { type FourTuple, formatEndpoint } from "../../util/endpoint.js";
import { type Experiment, PORT } from "../experiment.js";
import { startServer } from "../observe/client-load.js";
import { countLocalPorts, type SocketSnapshot, takeSnapshot } from "../observe/socket-snapshot.js";
import { END_BY_HAND } from "../reproduce.js";

/** Avoid TIME_WAIT, which would hold 4-tuples that later experiments need. */
const CLOSE = ["--close", "rst"];
const CLIENTS = 4;

export const fourClients: Experiment = {
  id: "E1",
  title: "Four clients, one port",
  claims: ["C1", "C2", "C3"],
  claim:
    "Each client has its own port, picked by its own kernel; port 7777 is bound only on the server, and accept() binds no other port there.",
  quickMs: () => 8000,
  async run({ testbed, progress }) {
    const at = `${testbed.description.serverIp}:${PORT}`;
    const server = await startServer({ testbed }, at, ["--log", "all"]);
    const clients = [];
    for (let i = 0; i < CLIENTS; i++) {
      progress(`client ${i + 1} of ${CLIENTS}`);
      const client = testbed.client.run(["connect", at, "--source-ip", testbed.client.ips[0]!, ...CLOSE]);
      await client.prints(/receive hello from server/);
      clients.push(client);
    }
    const onServer = await takeSnapshot(testbed.server, PORT, 2 * CLIENTS);
    const onClient = await takeSnapshot(testbed.client, PORT, 2 * CLIENTS);
    for (const client of clients) await client.stop();
    await server.end();
    const pairs = matchPairs(onClient, onServer);
    const ports = new Set(pairs.map(({ client }) => client.sourcePort));
    const isConfirmed =
      [pairs.length, onServer.incoming, onClient.outgoing].every((count) => count === CLIENTS) &&
      // Covers all connections between the hosts, to show that none was moved to another port.
      countLocalPorts(onServer) === 1 &&
      pairs.every(({ isSame, server: seen }) => isSame && seen.sourcePort === PORT) &&
      ports.size === CLIENTS &&
      !ports.has(PORT);
    return {
      setup: `one server on ${at}, ${CLIENTS} clients on the other host; both socket tables are read while they run`,
      commands: [
        server.command,
        // These clients run until they are stopped, like the ones in the blog post.
        `for i in {1..${CLIENTS}}; do $client fourtuple connect ${at} --source-ip ${testbed.client.ips[0]} ${CLOSE.join(" ")} & done`,
        `connected ${PORT} ${CLIENTS}`,
        `$server fourtuple ports :${PORT} --list`,
        `$client fourtuple ports ${at} --list`,
        END_BY_HAND,
      ],
      prediction: `the server has ${CLIENTS} sockets, all with local port ${PORT}; the client has ${CLIENTS} different local ports, none of them ${PORT}; the 4-tuples match pair by pair`,
      observed: `${pairs.filter(({ isSame }) => isSame).length} of ${CLIENTS} pairs match; local ports on the server: ${list(pairs.map(({ server: seen }) => seen.sourcePort))}; on the client: ${[...ports].join(", ")}`,
      verdict: isConfirmed ? "confirmed" : "refuted",
      reason: isConfirmed ? undefined : "the two tables do not show the same four connections on one port",
      evidence: [
        {
          kind: "table",
          title: "Both socket tables, the 4-tuples matched pair by pair",
          columns: ["client: local", "client: peer", "server: local", "server: peer", "same"],
          rows: pairs.map(({ client, server: seen, isSame }) => [
            formatEndpoint(client.sourceIp, client.sourcePort),
            formatEndpoint(client.destinationIp, client.destinationPort),
            formatEndpoint(seen.sourceIp, seen.sourcePort),
            formatEndpoint(seen.destinationIp, seen.destinationPort),
            isSame ? "yes" : "no",
          ]),
        },
        portsEvidence("Ports in use on both sides", onServer, onClient),
      ],
    };
  },
};

interface Pair {
  readonly client: FourTuple;
  readonly server: FourTuple;
  readonly isSame: boolean;
}

/** Matches each of the client's sockets to the port with the server's socket that has the same endpoints reversed. */
function matchPairs(onClient: SocketSnapshot, onServer: SocketSnapshot): Pair[] {
  const opened = onClient.tuples.filter(({ destinationPort }) => destinationPort === PORT);
  const accepted = onServer.tuples.filter(({ sourcePort }) => sourcePort === PORT);
  return opened.flatMap((client) => {
    const server = accepted.find(
      ({ destinationIp, destinationPort }) =>
        destinationIp === client.sourceIp && destinationPort === client.sourcePort,
    );
    if (!server) return [];
    return [{ client, server, isSame: server.sourceIp === client.destinationIp && server.sourcePort === PORT }];
  });
}

/** Returns the ports in use at both hosts' addresses, for a picture. */
export function portsEvidence(title: string, onServer: SocketSnapshot, onClient: SocketSnapshot) {
  const fields = [
    ...onServer.fields
      .filter(({ used }) => used.some(([first, last]) => first <= PORT && PORT <= last))
      // Exclude the listening socket, which is not a connection.
      .map((field) => ({ host: "server", ...field, sockets: onServer.incoming })),
    ...onClient.fields
      .filter(({ used }) => !used.some(([first, last]) => first === PORT && last === PORT))
      .map((field) => ({ host: "client", ...field })),
  ];
  return { kind: "ports", title, fields } as const;
}

function list(values: readonly number[]): string {
  return [...new Set(values)].join(", ");
}
