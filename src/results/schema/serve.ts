// The schema of the last line that `fourtuple serve --json` prints.
import { z } from "../../util/zod.js";
import { count, evidence, failures, milliseconds, startedAt, version } from "./parts.js";

export const serveSchema = z
  .object({
    kind: z.literal("serve"),
    version,
    startedAt,
    address: z.object({ ip: z.string(), port: z.number() }),
    elapsedMs: milliseconds,
    accepted: count,
    peakOpen: count,
    openAtStop: count,
    kernel: z
      .object({ source: z.enum(["sock_diag", "/proc/net/tcp"]), sockets: count })
      .optional()
      .describe("ESTABLISHED sockets in the kernel's table when it was told to stop"),
    rejected: count,
    sentBytes: count,
    receivedBytes: count,
    failures,
    tableFull: count,
    backlog: z.object({ length: count, drops: count.optional(), listenOverflows: count, listenDrops: count }),
    memory: z.object({ residentBytes: z.number(), userBytesPerConnection: z.number() }),
    threads: count,
    hasPrivateTables: z.boolean(),
    nofileLimit: count,
    evidence,
  })
  .meta({ title: "ServeResult", description: "The last line that `fourtuple serve --json` prints" });
