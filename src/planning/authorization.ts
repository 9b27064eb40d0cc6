// When a run needs --authorized: many connections to a machine that is not this one.
import { formatIp, type IpAddress } from "../util/address.js";
import { AppError } from "../util/errors.js";
import { formatCount } from "../util/units.js";
import type { RunSpec } from "./run-spec.js";

/** Connections to another machine that need no confirmation. */
const UNCONFIRMED = 1000;

/**
 * @param foreign a destination that is no address of this machine's own; undefined where there is none
 * @throws {AppError} E_NOT_AUTHORIZED when there are too many connections to go there unconfirmed
 */
export function assertAuthorized(foreign: IpAddress | undefined, { connections, authorized }: RunSpec): void {
  if (foreign === undefined || connections <= UNCONFIRMED || authorized) return;
  throw new AppError(
    "E_NOT_AUTHORIZED",
    `${formatIp(foreign)} is another host, and opening ${formatCount(connections)} connections to it needs your confirmation`,
    { fix: "if you are allowed to load that host, add --authorized", facts: { limit: UNCONFIRMED } },
  );
}
