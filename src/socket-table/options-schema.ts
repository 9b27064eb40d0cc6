// Schemas of the options of socketTable() and pressure(), checked against their types: a missing option is a compile
// error.
import type { ZodType } from "zod";
import { TCP_STATES } from "../linux/syscalls/constants.js";
import { checkOptions, count, flag, oneOf, option, text } from "../util/options.js";
import { z } from "../util/zod.js";
import type { PressureOptions } from "./ports/pressure.js";
import type { SummaryOptions } from "./summary.js";

const isPort = (value: unknown) => typeof value === "string" || Number.isInteger(value);
const port = option<number | string>('a port, or ports such as "7777-7786"', isPort).optional();

const filter = {
  port,
  ip: text.optional(),
  localPort: port,
  localIp: text.optional(),
  remotePort: port,
  remoteIp: text.optional(),
  family: oneOf([4, 6]).optional(),
  memory: flag.optional(),
  source: oneOf(["sock_diag", "bpf", "/proc/net/tcp"]).optional(),
  top: count.optional(),
};

const table = {
  ...filter,
  states: z.array(oneOf(TCP_STATES), { error: 'takes a list of states, such as ["LISTEN"]' }).optional(),
} satisfies Record<keyof SummaryOptions, ZodType>;

const destinations = {
  ...filter,
  process: flag.optional(),
  connectionsOnly: flag.optional(),
} satisfies Record<keyof PressureOptions, ZodType>;

/** @throws {AppError} E_OPTION for an unknown option or an invalid type */
export function checkTableOptions(options: SummaryOptions): SummaryOptions {
  return checkOptions("socketTable", z.strictObject(table), options);
}

/** @throws {AppError} E_OPTION for an unknown option or an invalid type */
export function checkPressureOptions(options: PressureOptions): PressureOptions {
  return checkOptions("pressure", z.strictObject(destinations), options);
}
