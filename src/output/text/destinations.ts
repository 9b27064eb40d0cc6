// Formats a run's destinations as text: what names resolved to, and the outcome for each destination.

import type { ConnectResult } from "../../results/connect.js";
import { formatCount, plural } from "../../util/units.js";

type Names = NonNullable<ConnectResult["names"]>;
type Counts = NonNullable<ConnectResult["byDestination"]>;

/** Maximum number of names and destinations to list. More are only counted. */
const TOLD = 4;

/** Returns a text such as `many.test: 10.0.0.1, 10.0.0.2`; undefined if no name was given. */
export function namesLine(names: Names = []): string | undefined {
  if (names.length === 0) return undefined;
  return several(names.map(describeName), "name");
}

function describeName({ name, addresses, used, unreachable }: Names[number]): string {
  const isFirst = used.length + unreachable.length < addresses.length;
  const without = unreachable.length > 0 ? `, without ${several(unreachable, "address", "addresses")} (no route)` : "";
  return `${name}: ${several(used, "address", "addresses")}${isFirst ? `, the first of ${formatCount(addresses.length)} addresses` : ""}${without}`;
}

/** Returns the outcome for each destination if there are several and any of them failed. */
export function outcomesLine(counts: Counts = []): string | undefined {
  if (counts.every(({ failed }) => failed === 0)) return undefined;
  // List destinations with failures first.
  const ordered = [...counts].sort((a, b) => Number(b.failed > 0) - Number(a.failed > 0));
  return several(
    ordered.map(({ to, established, failed, lastFailure }) =>
      failed === 0
        ? `${to}: ${formatCount(established)}`
        : `${to}: ${formatCount(established)}, ${formatCount(failed)} failed (${lastFailure!.errno})`,
    ),
    "destination",
    "destinations",
    "; ",
  );
}

/** Returns the addresses that a single connection tried before one answered; undefined if the first one did. */
export function triedLine(names: Names, counts: Counts = []): string | undefined {
  const tried = failedAttempts(counts);
  if (tried === "") return undefined;
  return `note: ${names[0] ? `${namesLine([names[0]])}; ` : ""}tried first: ${tried}`;
}

/** Returns a text such as `127.0.0.1:7777 ECONNREFUSED, [::1]:7777 ETIMEDOUT`. */
export function failedAttempts(counts: Counts = []): string {
  return counts
    .filter(({ failed }) => failed > 0)
    .map(({ to, lastFailure }) => `${to} ${lastFailure!.errno}`)
    .join(", ");
}

function several(items: readonly string[], singular: string, many = `${singular}s`, separator = ", "): string {
  const told = items.slice(0, TOLD).join(separator);
  return items.length > TOLD ? `${told} and ${plural(items.length - TOLD, `more ${singular}`, `more ${many}`)}` : told;
}
