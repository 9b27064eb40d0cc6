// The diagnosis of a run: the limit that stopped it, its owner, the evidence and a fix, or the suspects if the
// evidence is inconclusive.
import { z } from "../util/zod.js";
import { count, type TypeOf, version } from "./fields.js";

const finding = z.object({
  limit: z
    .string()
    .describe(
      "ID of a limit in the catalogue, or standstill, path, route, source-address, firewall, policy, stop, peer-ended, peer-timeout, peer-closing, peer-silent, peer-rate, peer-fault, agent, refused, credentials, address, backend, message-size, frame-size, handler, data, certificate, tls-version, alpn, proxy-protocol, messages, threshold, unexplained",
    ),
  whose: z
    .enum(["local", "peer", "network"])
    .describe(
      "where the limit applies: the client's host, the server's host or the network between them; for a server's result, local is the server's host",
    ),
  meaning: z.string().describe("what happened and what it means, in one sentence"),
  fix: z.string(),
  evidence: z.array(z.string()).describe("supporting facts"),
});
export type Finding = TypeOf<typeof finding>;
/** Where the limit applies: this host, the peer, or the network between them. */
export type Whose = Finding["whose"];

const suspect = finding.extend({ test: z.string().describe("how to distinguish it from the other suspects") });
/** One of several possible causes. */
export type Suspect = TypeOf<typeof suspect>;

export const diagnosisSchema = z
  .object({
    kind: z.literal("diagnosis"),
    version,
    outcome: z.enum(["met", "limited", "undecided", "stopped"]),
    of: z.enum(["connect", "serve"]).describe("kind of result that was diagnosed"),
    wanted: count.describe("number of connections requested; for a server, total number accepted"),
    reached: count.describe(
      "maximum number of connections ESTABLISHED at once, at both ends if both are on this host; for a server, its peak",
    ),
    finding: finding
      .optional()
      .describe("the limit that stopped the run; missing if nothing did or the evidence is inconclusive"),
    suspects: z.array(suspect).describe("possible causes if the evidence is inconclusive: two or more"),
    notes: z.array(z.string()).describe("observations that did not stop the run"),
  })
  .meta({
    title: "Diagnosis",
    description: "Output of `fourtuple doctor --explain --json`, also contained in results",
  });
export interface Diagnosis extends TypeOf<typeof diagnosisSchema> {}

/** A result with its diagnosis, as printed. */
export type Explained<Result> = Result & { readonly diagnosis: Diagnosis };

/** The diagnosis within a result. If the diagnosis is unreadable, it is recomputed from the evidence. */
export const diagnosis = diagnosisSchema.optional().catch(undefined).describe("what stopped the run");
