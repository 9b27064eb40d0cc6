// Schema of connect()'s options. `satisfies` turns a missing option into a compile error.
import type { ZodType } from "zod";
import type { ConnectOptions } from "../planning/connect-options.js";
import { clientTlsShape } from "../planning/tls-schema.js";
import { EXPECTATIONS } from "../protocols/modes.js";
import { PROXY_VERSIONS } from "../protocols/proxy-protocol/format.js";
import { clientProtocolShape } from "../protocols/spec/options-schema.js";
import { ENGINE_CHOICES, TRANSPORTS } from "../results/identifiers.js";
import {
  checkOptions,
  content,
  flag,
  isContent,
  isTexts,
  number,
  oneOf,
  option,
  signal,
  sourcePorts,
  sources,
  text,
} from "../util/options.js";
import { z } from "../util/zod.js";

function isExpectation(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return EXPECTATIONS.includes(value as never);
  const keys = Object.keys(value);
  if (keys.length !== 1) return false;
  const { until, bytes } = value as { until?: unknown; bytes?: unknown };
  return keys[0] === "until" ? isContent(until) : keys[0] === "bytes" && typeof bytes === "number";
}

const stage = z.strictObject({ durationMs: number, target: number });

const shape = {
  to: option(
    'destinations, such as "127.0.0.1:7777" or a list of them',
    (value) => typeof value === "string" || isTexts(value),
  ),
  resolve: oneOf(["first", "all"]).optional(),
  family: oneOf([4, 6]).optional(),
  connections: number.optional(),
  connectRatePerSec: number.optional(),
  stages: z.array(stage, { error: "takes a list of { durationMs, target }" }).optional(),
  concurrency: number.optional(),
  connectTimeoutMs: number.optional(),
  durationMs: number.optional(),
  sources: sources.optional(),
  sourcePorts: sourcePorts.optional(),
  message: content.optional(),
  messageRatePerSec: number.optional(),
  requests: number.optional(),
  expect: option(
    `one of ${EXPECTATIONS.map((name) => `"${name}"`).join(", ")}, or { until: "\\n" } or { bytes: 7 }`,
    isExpectation,
  ).optional(),
  firstMessage: content.optional(),
  awaitGreeting: flag.optional(),
  ...clientProtocolShape,
  ...clientTlsShape,
  proxyProtocol: oneOf(PROXY_VERSIONS).optional(),
  maxP99Ms: number.optional(),
  minRatePerSec: number.optional(),
  maxFailed: option(
    'a number, or a share such as "1%"',
    (value) => typeof value === "string" || typeof value === "number",
  ).optional(),
  close: oneOf(["rst", "fin"]).optional(),
  closeAfterGreeting: flag.optional(),
  oneTable: flag.optional(),
  engine: oneOf(ENGINE_CHOICES).optional(),
  transport: oneOf(TRANSPORTS).optional(),
  delayedAck: flag.optional(),
  apply: flag.optional(),
  journal: text.optional(),
  authorized: flag.optional(),
  signal: signal.optional(),
} satisfies Record<keyof ConnectOptions, ZodType>;

/** @throws {AppError} E_OPTION for an unknown option or a value of the wrong type */
export function checkConnectOptions(options: ConnectOptions): ConnectOptions {
  return checkOptions("connect", z.strictObject(shape), options);
}
