// What the lab came to: experiments with claim, prediction, observation, evidence and verdict. The same object for the terminal,
// `lab --json` and the report.
import { z } from "../../util/zod.js";
import { hostDescription, hostLoad, milliseconds, startedAt, type TypeOf, version } from "../fields.js";
import { LAB_VERDICTS } from "../identifiers.js";
import { labEvidence } from "./evidence.js";

const verdict = z
  .enum(LAB_VERDICTS)
  .describe(
    "refuted: what was observed excludes the prediction; inconclusive: it neither shows nor excludes it, as on a host that is too busy; failed: it broke off for another reason, and says nothing of the claim; skipped: this host lacks or forbids what it takes",
  );
export type LabVerdict = TypeOf<typeof verdict>;

const experiment = z.object({
  id: z.string().regex(/^E\d+$/),
  title: z.string(),
  claims: z.array(z.string()).describe("of the article, that it is about: C1 to C7"),
  claim: z.string(),
  setup: z.string(),
  commands: z.array(z.string()).describe("that repeat it, as typed into bash once the hosts are made by hand"),
  prediction: z.string(),
  observed: z.string(),
  verdict,
  reason: z.string().optional().describe("why it was refuted, inconclusive, failed or skipped, in one line"),
  hostLoad: hostLoad.optional(),
  elapsedMs: milliseconds,
  evidence: z.array(labEvidence),
});
export type ExperimentResult = TypeOf<typeof experiment>;

const testbed = z.object({
  kind: z.enum(["namespaces", "loopback"]),
  reason: z.string().optional().describe("why it is loopback, when namespaces were not to be had"),
  serverIp: z.string(),
  clientIps: z.string().describe("the client's source addresses, as the command line takes them"),
});
/** The two ends of every connection: network namespaces joined by a veth pair, or loopback. */
export type LabTestbed = TypeOf<typeof testbed>;

const reproduce = z
  .object({ make: z.array(z.string()), remove: z.array(z.string()) })
  .describe(
    "commands for bash, as root, that make the two hosts and remove them; those of the experiments run in them",
  );
/** What one types into bash, as root, to have the two hosts: then each experiment's commands can be repeated in them. */
export type LabReproduction = TypeOf<typeof reproduce>;

export const labSchema = z
  .object({
    kind: z.literal("lab"),
    version,
    startedAt,
    elapsedMs: milliseconds,
    isQuick: z.boolean(),
    testbed,
    reproduce: reproduce.optional(),
    host: hostDescription,
    command: z.string().describe("the command line that was run"),
    stoppedIn: z
      .string()
      .optional()
      .describe("the experiment in which the lab was stopped: it and those after it are missing"),
    hostLoad: hostLoad.optional(),
    experiments: z.array(experiment),
  })
  .meta({ title: "LabResult", description: "What `fourtuple lab --json` prints" });
export interface LabResult extends TypeOf<typeof labSchema> {}
