// The options of `connect` and `serve` that concern a fleet.
import type { FleetOptions, OnLost } from "../../fleet/options.js";
import { AppError } from "../../util/errors.js";

/** Options as parsed from the command line. */
export interface FleetRunOptions {
  readonly fleet?: string;
  readonly agents?: number;
  readonly onLost?: OnLost;
  readonly lease?: number;
  readonly creds?: string;
  readonly natsCa?: string;
}

/** Returns the library's options. `--fleet` is given. */
export function fleetOptionsOf({ fleet, agents, onLost, lease, creds, natsCa }: FleetRunOptions): FleetOptions {
  return { servers: fleet!, agents, onLost, leaseMs: lease, creds, ca: natsCa };
}

/** @throws {AppError} E_OPTION for options that need --fleet */
export function assertNoFleetOptions({ agents, onLost, lease, creds, natsCa }: FleetRunOptions): void {
  const given = { "--agents": agents, "--on-lost": onLost, "--lease": lease, "--creds": creds, "--nats-ca": natsCa };
  const flag = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (flag === undefined) return;
  throw new AppError("E_OPTION", `${flag} needs a fleet`, { fix: `add --fleet nats://HOST:4222, or omit ${flag}` });
}

/** @throws {AppError} E_OPTION for options that would change this host, which is not one of the fleet's */
export function refuseWithFleet({
  apply,
  journal,
}: {
  readonly apply?: boolean | undefined;
  readonly journal?: string | undefined;
}): void {
  if (!apply && journal === undefined) return;
  throw new AppError("E_OPTION", `${apply ? "--apply" : "--journal"} cannot be combined with --fleet`, {
    fix: "omit it; each agent has an option --apply of its own",
  });
}
