// Checks that agents without kernel sockets have addresses of their own: packets for an address reach only one host.
import { parseIp, toInteger } from "../../../util/address.js";
import { AppError } from "../../../util/errors.js";
import type { Ceiling } from "../../messages.js";

interface Block {
  readonly agent: string;
  readonly first: string;
  readonly family: 4 | 6;
  readonly from: bigint;
  readonly end: bigint;
}

/** @throws {AppError} E_FLEET naming two agents that have an address in common */
export function assertDisjoint(
  agents: readonly { readonly name: string }[],
  ceilings: readonly Pick<Ceiling, "packet">[],
): void {
  const blocks = ceilings.flatMap(({ packet = [] }, n) => packet.map((range) => blockOf(agents[n]!.name, range)));
  blocks.sort((a, b) => a.family - b.family || (a.from < b.from ? -1 : 1));
  // In this order, a block overlaps with a later one only if it reaches the next one.
  for (const [n, block] of blocks.entries()) {
    const next = blocks[n + 1];
    if (!next || next.family !== block.family || next.from >= block.end) continue;
    throw new AppError("E_FLEET", `agents ${block.agent} and ${next.agent} have the same address: ${next.first}`, {
      fix: "give each agent a block of its own: --packet-ip",
    });
  }
}

function blockOf(agent: string, { first, count }: NonNullable<Ceiling["packet"]>[number]): Block {
  const ip = parseIp(first);
  const from = toInteger(ip);
  return { agent, first, family: ip.family, from, end: from + BigInt(count) };
}
