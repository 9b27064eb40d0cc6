// Schema of the protocol options, checked against their type.
import type { ZodType } from "zod";
import { flag, number, option, text } from "../../util/options.js";
import type { ProtocolOptions } from "./options.js";

const isTexts = (value: unknown) => Array.isArray(value) && value.every((it) => typeof it === "string");

export const protocolShape = {
  headers: option('a list of fields, such as ["Name: value"]', isTexts).optional(),
  subprotocol: text.optional(),
  binary: flag.optional(),
  pingIntervalMs: number.optional(),
  maxMessageBytes: number.optional(),
  handshakeTimeoutMs: number.optional(),
  method: text.optional(),
  body: option("a text or bytes", (value) => typeof value === "string" || value instanceof Uint8Array).optional(),
  closeAfterResponse: flag.optional(),
  responseTimeoutMs: number.optional(),
  status: number.optional(),
  eventIntervalMs: number.optional(),
  delayMs: number.optional(),
} satisfies Record<keyof ProtocolOptions, ZodType>;
