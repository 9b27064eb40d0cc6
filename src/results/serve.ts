// The result of a server's run, shared by the terminal, `serve --json`, reports and the library's
// callers.
import { z } from "../util/zod.js";
import { diagnosis } from "./diagnosis.js";
import { engine, packetCounts } from "./engine.js";
import { evidence } from "./evidence.js";
import {
  bound,
  count,
  failures,
  milliseconds,
  port,
  responses,
  startedAt,
  type TypeOf,
  tls,
  version,
} from "./fields.js";
import { serverFleet } from "./fleet/servers.js";
import { PROTOCOLS, TRANSPORTS } from "./identifiers.js";
import { script } from "./script.js";
import { source } from "./sockets/owners.js";

export const serveSchema = z
  .object({
    kind: z.literal("serve"),
    version,
    startedAt,
    address: z.object({
      ip: z.string(),
      lastIp: z.string().optional().describe("last address of a range, which only transport packet can listen on"),
      port,
    }),
    elapsedMs: milliseconds,
    protocol: z
      .enum(PROTOCOLS)
      .optional()
      .describe("protocol used on the connections; missing in results from older versions, which used tcp"),
    script: script.optional(),
    proxyProtocol: z
      .object({ v1: count, v2: count, withoutClient: count })
      .optional()
      .describe(
        "PROXY protocol headers received by version; `withoutClient` counts those without a client's address, such as those of health checks; missing without --proxy-protocol",
      ),
    unexpectedProxyHeaders: count
      .optional()
      .describe("number of PROXY protocol headers received as data; missing in older results"),
    tls: tls.optional(),
    accepted: count,
    ready: count
      .optional()
      .describe(
        "number of connections set up in the protocol, for example upgraded, with a first HTTP request, or accepted in MQTT; in plain TCP, same as accepted; missing in results from older versions",
      ),
    peakOpen: count,
    openAtStop: count.describe("number of connections open when the server was stopped"),
    kernel: z
      .object({ source, sockets: count })
      .optional()
      .describe(
        "ESTABLISHED sockets on the server's address and port in the kernel's socket table when the server was stopped, including those in the accept queue; missing if the table could not be read, or not in time",
      ),
    rejected: count.describe("number of connections above --max-connections"),
    sentBytes: count,
    receivedBytes: count,
    failures,
    heartbeats: z
      .object({
        sent: count,
        answered: count,
        received: count
          .optional()
          .describe("heartbeats received from the peer, each of which was answered; missing in older results"),
      })
      .optional()
      .describe("heartbeats, such as pings, sent by this side and answered by the peer"),
    responses: responses.optional().describe("HTTP responses sent; missing for other protocols"),
    tableFull: count.describe("number of times that a full descriptor table made a thread leave accepting to others"),
    backlog: z.object({
      length: count,
      drops: count
        .optional()
        .describe(
          "number of connections dropped by the listening socket, usually because its accept queue was full; missing if netlink is refused",
        ),
      listenOverflows: count.describe(
        "increase of the kernel's counter during the run, over all listening sockets of the host",
      ),
      listenDrops: count.describe("as for listenOverflows"),
    }),
    memory: z.object({ residentBytes: z.number(), userBytesPerConnection: z.number() }),
    threads: count,
    hasPrivateTables: z.boolean(),
    nofileLimit: bound,
    transport: z
      .enum(TRANSPORTS)
      .optional()
      .describe("packet: TCP in this program, through a TUN device, without kernel sockets; missing in older results"),
    packets: packetCounts
      .optional()
      .describe("what TCP in this program counted; missing with kernel sockets, and in older results"),
    engine: engine
      .optional()
      .describe("missing in results from older versions, and in merged results of runs with different engines"),
    fleet: serverFleet.optional(),
    evidence,
    diagnosis,
  })
  .meta({ title: "ServeResult", description: "Last line of the output of `fourtuple serve --json`" });
export interface ServeResult extends TypeOf<typeof serveSchema> {}
