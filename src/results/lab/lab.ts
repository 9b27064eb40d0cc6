// The result of the lab: experiments with claim, prediction, observation, evidence and verdict. The result is shared
// by the terminal, `lab --json` and reports.
import { z } from "../../util/zod.js";
import { hostDescription, hostLoad, milliseconds, startedAt, type TypeOf, version } from "../fields.js";
import { ENGINE_CHOICES, LAB_VERDICTS } from "../identifiers.js";
import { labEvidence } from "./evidence.js";

const verdict = z
  .enum(LAB_VERDICTS)
  .describe(
    "refuted: the observation rules out the prediction; inconclusive: it neither supports nor rules out the prediction, for example on a busy host; failed: the experiment was aborted and says nothing about the claim; skipped: this host lacks or forbids a prerequisite",
  );
export type LabVerdict = TypeOf<typeof verdict>;

const experiment = z.object({
  id: z.string().regex(/^E\d+$/),
  title: z.string(),
  claims: z
    .array(z.string())
    .describe("claims about the limit of 65,535 connections that the experiment tests: C1 to C7"),
  claim: z.string(),
  setup: z.string(),
  commands: z.array(z.string()).describe("bash commands that repeat the experiment on manually created hosts"),
  prediction: z.string(),
  observed: z.string(),
  verdict,
  reason: z
    .string()
    .optional()
    .describe("why the experiment was refuted, inconclusive, failed or skipped, in one line"),
  hostLoad: hostLoad.optional(),
  elapsedMs: milliseconds,
  evidence: z.array(labEvidence),
});
export type ExperimentResult = TypeOf<typeof experiment>;

const testbed = z.object({
  kind: z.enum(["namespaces", "loopback"]),
  reason: z.string().optional().describe("why loopback was used if namespaces were unavailable"),
  serverIp: z.string(),
  clientIps: z.string().describe("source addresses of the client, in command-line syntax"),
});
/** Where both ends of every connection are: network namespaces connected by a veth pair, or loopback. */
export type LabTestbed = TypeOf<typeof testbed>;

const reproduce = z
  .object({ make: z.array(z.string()), remove: z.array(z.string()) })
  .describe(
    "bash commands, to be run as root, that create and remove the two hosts in which the experiments' commands run",
  );
/** Bash commands, to be run as root, that create the two hosts in which each experiment's commands can be repeated. */
export type LabReproduction = TypeOf<typeof reproduce>;

export const labSchema = z
  .object({
    kind: z.literal("lab"),
    version,
    startedAt,
    elapsedMs: milliseconds,
    isQuick: z.boolean(),
    engine: z.enum(ENGINE_CHOICES).optional().describe("value of --engine for all servers and clients"),
    testbed,
    reproduce: reproduce.optional(),
    host: hostDescription,
    command: z.string().describe("command line of the lab"),
    stoppedIn: z
      .string()
      .optional()
      .describe("experiment during which the lab was stopped; this experiment and later ones are missing"),
    hostLoad: hostLoad.optional(),
    experiments: z.array(experiment),
  })
  .meta({ title: "LabResult", description: "Output of `fourtuple lab --json`" });
export interface LabResult extends TypeOf<typeof labSchema> {}
