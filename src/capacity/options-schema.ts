// Schema of predictCapacity()'s options. Because of `satisfies`, a missing option is a compile
// error.

import type { ZodType } from "zod";
import { ENGINE_CHOICES, PROGRAMS, SCHEME_NAMES, TRANSPORTS } from "../results/identifiers.js";
import { checkOptions, flag, number, oneOf, signal, sourcePorts, sources, text } from "../util/options.js";
import { z } from "../util/zod.js";
import type { CapacityOptions } from "./options.js";

const shape = {
  connections: number.optional(),
  role: oneOf(["server", "client", "both"]).optional(),
  target: text.optional(),
  sources: sources.optional(),
  sourcePorts: sourcePorts.optional(),
  connectRatePerSec: number.optional(),
  messageRatePerSec: number.optional(),
  messageBytes: number.optional(),
  program: oneOf(PROGRAMS).optional(),
  protocol: oneOf(SCHEME_NAMES).optional(),
  transport: oneOf(TRANSPORTS).optional(),
  engine: oneOf(ENGINE_CHOICES).optional(),
  memoryPerConnectionBytes: number.optional(),
  measure: flag.optional(),
  signal: signal.optional(),
  memoryBytes: number.optional(),
  cores: number.optional(),
  nofile: number.optional(),
} satisfies Record<keyof CapacityOptions, ZodType>;

/** @throws {AppError} E_OPTION for an unknown option or a value of the wrong type */
export function checkCapacityOptions(options: CapacityOptions): CapacityOptions {
  return checkOptions("predictCapacity", z.strictObject(shape), options);
}
