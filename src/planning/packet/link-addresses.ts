// Finds out whether addresses on a link are spare: asks for each of them by ARP or neighbour discovery, and reads what
// the kernel knows about them. An address that anybody answers for is refused.
import { setTimeout as delay } from "node:timers/promises";
import { MOST_PROXIED } from "../../linux/neighbours/proxies.js";
import { askFor, forget, type Neighbour, readNeighbours, readProxied } from "../../linux/neighbours/table.js";
import { errnoName } from "../../linux/syscalls/errno.js";
import { interfaceName } from "../../linux/syscalls/interface-names.js";
import { type Family, formatIp, fromInteger, type IpAddress, toInteger } from "../../util/address.js";
import { AppError } from "../../util/errors.js";
import { formatCount, plural } from "../../util/units.js";
import { blocksOf } from "./plan.js";
import type { OnLinkRange } from "./sources.js";

/** Number of addresses to ask for at once; the table has room for 1,024 in all namespaces of a host by default. */
const BATCH = 256;
const POLL_MS = 20;
/** By default, the kernel asks three times, a second apart. */
const LONGEST_MS = 10_000;
const NAMED = 3;

interface LinkAddress {
  readonly ip: IpAddress;
  readonly index: number;
}

/**
 * Asks for every address of the ranges.
 *
 * @returns number of addresses asked for
 * @throws {AppError} E_SOURCE if an address is taken, or nobody can say
 */
export async function assertSpare(onLink: readonly OnLinkRange[]): Promise<number> {
  const addresses = onLink.flatMap(addressesOf);
  if (addresses.length > 2 * MOST_PROXIED) throw new AppError("E_SOURCE", `too many addresses: ${addresses.length}`);
  assertNotKnown(addresses);
  for (let from = 0; from < addresses.length; from += BATCH) await assertSilent(addresses.slice(from, from + BATCH));
  return addresses.length;
}

/** All of a range's addresses that are routed to the run's devices. */
function addressesOf({ range, index }: OnLinkRange): LinkAddress[] {
  return blocksOf(range).flatMap(({ first, bits }) =>
    Array.from({ length: 2 ** (first.bytes.length * 8 - bits) }, (_, n) => ({
      ip: fromInteger(toInteger(first) + BigInt(n), first.family),
      index,
    })),
  );
}

/** Refuses addresses that the kernel has seen on the link, or answers for already. */
function assertNotKnown(addresses: readonly LinkAddress[]): void {
  for (const family of familiesOf(addresses)) {
    const present = neighbours(family).filter(({ state }) => state === "present");
    refuse(common(addresses, present), "in this host's neighbour table, so another host has it");
    const proxied = readable(readProxied(family));
    refuse(common(addresses, proxied), "an address that this host answers for already (proxy ARP)");
  }
}

/** Asks for the addresses, and waits until the kernel has had an answer or has given up on each of them. */
async function assertSilent(batch: readonly LinkAddress[]): Promise<void> {
  try {
    for (const { ip, index } of batch) {
      const errno = askFor(ip, index);
      if (errno < 0) throw unanswered(`asking for ${formatIp(ip)} failed with ${errnoName(-errno)}`);
    }
    const endMs = performance.now() + LONGEST_MS;
    for (;;) {
      const table = familiesOf(batch).flatMap(neighbours);
      const taken = common(
        batch,
        table.filter(({ state }) => state === "present"),
      );
      refuse(taken, "taken: another host answers for it");
      const pending = common(
        batch,
        table.filter(({ state }) => state === "pending"),
      );
      if (pending.length === 0) return;
      if (performance.now() > endMs) throw unanswered(`the kernel is still asking for ${formatIp(pending[0]!.ip)}`);
      await delay(POLL_MS);
    }
  } finally {
    for (const { ip, index } of batch) forget(ip, index);
  }
}

function neighbours(family: Family): Neighbour[] {
  return readable(readNeighbours(family));
}

/** @throws {AppError} E_SOURCE if the table could not be read, which does not mean that nobody has answered */
function readable<Entry>(table: Entry[] | undefined): Entry[] {
  if (!table) throw unanswered("the neighbour table cannot be read");
  return table;
}

function familiesOf(addresses: readonly LinkAddress[]): Family[] {
  return [...new Set(addresses.map(({ ip }) => ip.family))];
}

function common(addresses: readonly LinkAddress[], entries: readonly LinkAddress[]): LinkAddress[] {
  const keys = new Set(entries.map(keyOf));
  return addresses.filter((each) => keys.has(keyOf(each)));
}

function keyOf({ ip, index }: LinkAddress): string {
  return `${formatIp(ip)} ${index}`;
}

function refuse(taken: readonly LinkAddress[], why: string): void {
  const [first] = taken;
  if (!first) return;
  const more = taken.length - 1;
  const others = taken.slice(1, 1 + NAMED).map(({ ip }) => formatIp(ip));
  const rest = more > NAMED ? `, and ${formatCount(more - NAMED)} more` : "";
  const also = more === 0 ? "" : `; the same goes for ${others.join(", ")}${rest}`;
  const link = interfaceName(first.index) ?? "the link";
  throw new AppError("E_SOURCE", `${formatIp(first.ip)} on ${link} is ${why}${also}`, {
    fix: `leave out ${more === 0 ? "this address" : `these ${plural(taken.length, "address", "addresses")}`}`,
  });
}

function unanswered(what: string): AppError {
  return new AppError("E_SOURCE", `cannot find out whether the source addresses are spare: ${what}`, {
    fix: "try again, or use fewer addresses",
  });
}
