// Decides when a run needs --authorized, which is for many connections to another host.
import { formatIp, type IpAddress } from "../util/address.js";
import { AppError } from "../util/errors.js";
import { formatCount } from "../util/units.js";
import type { RunSpec } from "./run-spec.js";

/** Maximum number of connections to another host that need no confirmation. */
const UNCONFIRMED = 1000;

/**
 * @param foreign a destination outside this host; undefined if every destination is on this host
 * @throws {AppError} E_NOT_AUTHORIZED if too many connections would go to other hosts without
 *   confirmation
 */
export function assertAuthorized(foreign: IpAddress | undefined, { connections, authorized }: RunSpec): void {
  if (foreign === undefined || connections <= UNCONFIRMED || authorized) return;
  throw new AppError(
    "E_NOT_AUTHORIZED",
    `${formatIp(foreign)} is another host, and opening ${formatCount(connections)} connections to it needs your confirmation`,
    { fix: "if you are allowed to load that host, add --authorized", facts: { limit: UNCONFIRMED } },
  );
}
