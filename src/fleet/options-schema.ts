// Schemas of startAgent()'s options and of connect()'s option `fleet`. `satisfies` turns a missing option into a compile error.
import type { ZodType } from "zod";
import { checkOptions, count, flag, isTexts, number, oneOf, option, text } from "../util/options.js";
import { z } from "../util/zod.js";
import { type FleetOptions, ON_LOST } from "./options.js";
import type { AgentOptions } from "./start-agent.js";

const fleetShape = {
  servers: text,
  creds: text.optional(),
  ca: text.optional(),
  token: text.optional(),
  agents: count.optional(),
  onLost: oneOf(ON_LOST).optional(),
  leaseMs: number.optional(),
} satisfies Record<keyof FleetOptions, ZodType>;

const shape = {
  servers: text,
  creds: text.optional(),
  ca: text.optional(),
  token: text.optional(),
  name: text.optional(),
  allow: option<readonly string[]>('a list of destinations, such as ["10.0.0.0/8"]', isTexts).optional(),
  allowCode: flag.optional(),
  packetAddresses: text.optional(),
  apply: flag.optional(),
} satisfies Record<keyof AgentOptions, ZodType>;

/** @throws {AppError} E_OPTION for an unknown option or a value of the wrong type */
export function checkAgentOptions(options: AgentOptions): AgentOptions {
  return checkOptions("startAgent", z.strictObject(shape), options);
}

/** @throws {AppError} E_OPTION for an unknown option or a value of the wrong type */
export function checkFleetOptions(options: FleetOptions): FleetOptions {
  return checkOptions("connect", z.strictObject(fleetShape), options);
}
