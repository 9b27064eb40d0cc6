// Schema of serve()'s options. `satisfies` turns a missing option into a compile error.
import type { ZodType } from "zod";
import { tlsShape } from "../planning/tls-schema.js";
import { SERVER_MODES } from "../protocols/modes.js";
import { serverProtocolShape } from "../protocols/spec/options-schema.js";
import { ENGINE_CHOICES, TRANSPORTS } from "../results/identifiers.js";
import { checkOptions, content, flag, number, oneOf, signal, text } from "../util/options.js";
import { z } from "../util/zod.js";
import type { ServeOptions } from "./options.js";

const shape = {
  at: text,
  mode: oneOf(SERVER_MODES).optional(),
  greeting: content.optional(),
  closeAfterGreeting: flag.optional(),
  ...serverProtocolShape,
  ...tlsShape,
  proxyProtocol: flag.optional(),
  backlog: number.optional(),
  maxConnections: number.optional(),
  log: oneOf(["first", "all", "none"]).optional(),
  engine: oneOf(ENGINE_CHOICES).optional(),
  transport: oneOf(TRANSPORTS).optional(),
  delayedAck: flag.optional(),
  apply: flag.optional(),
  journal: text.optional(),
  signal: signal.optional(),
} satisfies Record<keyof ServeOptions, ZodType>;

/** @throws {AppError} E_OPTION for an unknown option or a value of the wrong type */
export function checkServeOptions(options: ServeOptions): ServeOptions {
  return checkOptions("serve", z.strictObject(shape), options);
}
