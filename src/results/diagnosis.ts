// What a diagnosis is: the limit that stopped a run, whose it is, the evidence, the fix; or what remains when the evidence
// does not decide.
import { z } from "../util/zod.js";
import { count, type TypeOf, version } from "./fields.js";

const finding = z.object({
  limit: z
    .string()
    .describe(
      "a limit of the catalogue by its id, or path, route, source-address, firewall, policy, stop, peer-ended, peer-timeout, peer-closing, peer-silent, peer-rate, peer-fault, refused, credentials, address, backend, message-size, certificate, tls-version, alpn, messages, threshold, unexplained",
    ),
  whose: z
    .enum(["local", "peer", "network"])
    .describe("the client's host, the server's, or something between them; of a server's life, local is its host"),
  meaning: z.string().describe("what happened, and what it means, in a sentence"),
  fix: z.string(),
  evidence: z.array(z.string()).describe("the facts that say so, one each"),
});
export type Finding = TypeOf<typeof finding>;
/** Whose the limit is: this host's, the peer's, or the network's between them. */
export type Whose = Finding["whose"];

const suspect = finding.extend({ test: z.string().describe("how to tell it from the others") });
/** One of several that remain. */
export type Suspect = TypeOf<typeof suspect>;

export const diagnosisSchema = z
  .object({
    kind: z.literal("diagnosis"),
    version,
    outcome: z.enum(["met", "limited", "undecided", "stopped"]),
    of: z.enum(["connect", "serve"]).describe("whose run it was"),
    wanted: count.describe("connections asked for; of a server, those that came in all"),
    reached: count.describe(
      "connections that were ESTABLISHED at once, at both ends where both are here; of a server, its peak",
    ),
    finding: finding
      .optional()
      .describe("the limit that stopped it; missing when nothing did, or the evidence does not decide"),
    suspects: z.array(suspect).describe("what remains when the evidence does not decide: two or more"),
    notes: z.array(z.string()).describe("what is worth knowing though it stopped nothing"),
  })
  .meta({ title: "Diagnosis", description: "What `fourtuple doctor --explain --json` prints, and a result has in it" });
export interface Diagnosis extends TypeOf<typeof diagnosisSchema> {}

/** A result with its diagnosis, as it is printed. */
export type Explained<Result> = Result & { readonly diagnosis: Diagnosis };

/** Of a result: one that cannot be read is made again out of the evidence. */
export const diagnosis = diagnosisSchema.optional().catch(undefined).describe("what stopped the run");
