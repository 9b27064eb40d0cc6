// E2: more connections on one server port than there are port numbers.
import { formatCount } from "../../util/units.js";
import { type Experiment, PORT } from "../experiment.js";
import { expectRoom, gather, startServer } from "../observe/client-load.js";
import { countLocalPorts, takeSnapshot } from "../observe/socket-snapshot.js";
import { rateOf, timelineOf } from "../observe/timeline.js";
import { commandOf, END_BY_HAND } from "../reproduce.js";
import { portsEvidence } from "./four-clients.js";

/** Limits that, if reached, would mean that ports ran out. */
const PORT_LIMITS = ["source-ports", "ip-local-port-range", "ip-local-reserved-ports"];

export const past65535: Experiment = {
  id: "E2",
  title: "Past 65,535 on one port",
  claims: ["C4"],
  claim:
    "Ports do not limit a server: a connection is identified by four values, and all connections can share one local port.",
  // Time that the client of a quick run may take. The time is scaled up for
  // more connections.
  quickMs: ({ connections }) => 16_000 * Math.max(1, connections / 70_000),
  async run({ testbed, connections, progress }) {
    const at = `${testbed.description.serverIp}:${PORT}`;
    const server = await startServer({ testbed }, at);
    const args = [at, "-c", String(connections), "--source-ip", testbed.description.clientIps];
    const clientLoad = await gather({ testbed, progress }, args);
    progress("both hosts' socket tables");
    const onServer = await takeSnapshot(testbed.server, PORT);
    const onClient = await takeSnapshot(testbed.client, PORT);
    const result = await clientLoad.end();
    await server.end();
    expectRoom(result);
    const serverPorts = countLocalPorts(onServer);
    const isConfirmed =
      result.isTargetMet && onServer.incoming === connections && onClient.outgoing === connections && serverPorts === 1;
    const limit = result.diagnosis.finding;
    const isOfPorts = serverPorts > 1 || PORT_LIMITS.includes(limit?.limit ?? "");
    return {
      setup: `one server on ${at}; one client process with the addresses ${testbed.description.clientIps}`,
      commands: [
        server.command,
        `${commandOf(["connect", ...args, "-T", "1m"])} &`,
        `connected ${PORT} ${formatCount(connections)}`,
        `$server fourtuple ports :${PORT}`,
        END_BY_HAND,
      ],
      prediction: `${formatCount(connections)} ESTABLISHED sockets with local port ${PORT}, ${formatCount(Math.max(0, connections - 65_535))} more than the number of ports`,
      observed: `the kernel's tables show ${formatCount(onServer.incoming)} on the server and ${formatCount(onClient.outgoing)} on the client (${onServer.source}); opened in ${(result.rampMs / 1000).toFixed(1)} s, ${formatCount(result.ratePerSec)} per second`,
      // If another limit was hit, the shortfall proves nothing about ports.
      verdict: isConfirmed ? "confirmed" : isOfPorts ? "refuted" : "inconclusive",
      reason: isConfirmed
        ? undefined
        : (limit?.meaning ?? "not all connections were ESTABLISHED when the tables were read"),
      evidence: [
        {
          kind: "table",
          title: "ESTABLISHED sockets, counted by each host's kernel",
          columns: ["host", "sockets", "different local ports"],
          rows: [
            ["server", onServer.incoming, serverPorts],
            ["client", onClient.outgoing, onClient.sourcePorts],
          ],
        },
        timelineOf(result),
        rateOf(result),
        portsEvidence("One port in use on the server, thousands on the client", onServer, onClient),
        {
          kind: "latency",
          title: "Time to connect",
          rows: [
            { name: "ESTABLISHED", summary: result.latency.connect },
            { name: "first byte", summary: result.latency.firstByte },
          ],
        },
      ],
    };
  },
};
