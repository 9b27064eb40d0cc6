// How many more connections agents can hold, and why not more: what a loss leaves to be taken over depends on both.
import { sum } from "../../../util/share.js";
import { formatCount } from "../../../util/units.js";
import type { Ceiling } from "../../messages.js";
import { inWords } from "../refusal.js";
import { AddressPool } from "./address-pool.js";
import type { Dealt } from "./deal.js";

/** An agent with the connections that it has been given. */
export interface Holder {
  readonly name: string;
  readonly ceiling: Ceiling;
  readonly held: number;
  /** Addresses without kernel sockets that are left; undefined with kernel sockets. */
  readonly pool: AddressPool | undefined;
}

export function roomOf({ ceiling, held, pool }: Holder): number {
  const left = Math.max(0, ceiling.connections - held);
  return Math.min(left, pool?.room ?? left);
}

/** Says why agents cannot hold more connections than they have room for, agent by agent. */
export function whyNoMore(holders: readonly Holder[]): string {
  if (holders.length === 0) return "no other agent is left";
  return inWords(holders.map((holder) => ({ agent: holder.name, reason: limitOf(holder) })));
}

/**
 * Says that a loss could not be made up for, before there is one.
 * @returns one note; none if the others have room for the connections of any one agent
 */
export function foreseenShortage(dealt: readonly Dealt[], total: number): string[] {
  const holders = dealt.map(({ agent, ceiling, connections: held }): Holder => {
    const pool = AddressPool.of(ceiling, total);
    pool?.take(held);
    return { name: agent.name, ceiling, held, pool };
  });
  const rooms = holders.map(roomOf);
  const roomBeside = (n: number) => sum(rooms) - rooms[n]!;
  const shortages = holders.map(({ held }, n) => held - roomBeside(n));
  const worst = shortages.indexOf(Math.max(...shortages));
  if (holders.length < 2 || shortages[worst]! <= 0) return [];
  const { name, held } = holders[worst]!;
  const others = holders.filter((_, n) => n !== worst);
  const taken = roomBeside(worst) === 0 ? "none" : formatCount(roomBeside(worst));
  return [
    `if agent ${name} is lost, the others can take over ${taken} of its ${formatCount(held)} connections (${whyNoMore(others)})`,
  ];
}

function limitOf(holder: Holder): string {
  const { ceiling, held, pool } = holder;
  const room = roomOf(holder);
  const lacksAddresses = pool !== undefined && pool.room < ceiling.connections - held;
  if (room > 0) return `it can hold ${formatCount(room)} more (${lacksAddresses ? "source addresses" : ceiling.limit})`;
  // A load in progress does not give its addresses away.
  if (lacksAddresses)
    return ceiling.addresses === 1 ? "its only source address is in use" : "its source addresses are all in use";
  return `it holds as many as it can (${ceiling.limit})`;
}
