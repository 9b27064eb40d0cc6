// What a server's life came to: the same object for the terminal, `serve --json`, the report and the library's caller.
import { z } from "../util/zod.js";
import { diagnosis } from "./diagnosis.js";
import { engine } from "./engine.js";
import { evidence } from "./evidence.js";
import { bound, count, failures, milliseconds, port, startedAt, type TypeOf, tls, version } from "./fields.js";
import { PROTOCOLS } from "./identifiers.js";
import { source } from "./sockets/owners.js";

export const serveSchema = z
  .object({
    kind: z.literal("serve"),
    version,
    startedAt,
    address: z.object({ ip: z.string(), port }),
    elapsedMs: milliseconds,
    protocol: z
      .enum(PROTOCOLS)
      .optional()
      .describe("what was spoken over the connections; results of older versions have none, and are of tcp"),
    tls: tls.optional(),
    accepted: count,
    ready: count
      .optional()
      .describe("set up in the protocol: upgraded; in plain TCP as accepted; results of older versions have none"),
    peakOpen: count,
    openAtStop: count.describe("open when it was told to stop"),
    kernel: z
      .object({ source, sockets: count })
      .optional()
      .describe(
        "ESTABLISHED sockets on its address and port in the kernel's table at that moment, those that still waited in the accept queue included; missing where it could not be read, or not in time",
      ),
    rejected: count.describe("above --max-connections"),
    sentBytes: count,
    receivedBytes: count,
    failures,
    heartbeats: z
      .object({ sent: count, answered: count })
      .optional()
      .describe("such as pings: sent by this side, and answered by the peer"),
    tableFull: count.describe("how often a full descriptor table made a thread leave the accepting to others"),
    backlog: z.object({
      length: count,
      drops: count
        .optional()
        .describe(
          "what this listening socket dropped, most often because its accept queue was full; missing where netlink is refused",
        ),
      listenOverflows: count.describe(
        "the kernel's counter over the server's life, of all listening sockets of the host",
      ),
      listenDrops: count.describe("likewise"),
    }),
    memory: z.object({ residentBytes: z.number(), userBytesPerConnection: z.number() }),
    threads: count,
    hasPrivateTables: z.boolean(),
    nofileLimit: bound,
    engine: engine.optional().describe("missing in results of older versions, and of parts that differ in it"),
    evidence,
    diagnosis,
  })
  .meta({ title: "ServeResult", description: "The last line that `fourtuple serve --json` prints" });
export interface ServeResult extends TypeOf<typeof serveSchema> {}
