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

/**
 * @param ceilings by the agents' ids; agents without one are not part of the run
 * @throws {AppError} E_FLEET naming two agents that have an address in common
 */
export function assertDisjoint(
  agents: readonly { readonly id: string; readonly name: string }[],
  ceilings: ReadonlyMap<string, Pick<Ceiling, "packet">>,
): void {
  const blocks = agents.flatMap(({ id, name }) =>
    (ceilings.get(id)?.packet ?? []).map((range) => blockOf(name, range)),
  );
  blocks.sort((a, b) => a.family - b.family || (a.from < b.from ? -1 : 1));
  // The block that reaches furthest; those of one agent may overlap.
  let furthest: Block | undefined;
  for (const block of blocks) {
    const reaches = furthest?.family === block.family && block.from < furthest.end;
    if (furthest && reaches && furthest.agent !== block.agent) {
      throw new AppError(
        "E_FLEET",
        `agents ${furthest.agent} and ${block.agent} have the same address: ${block.first}`,
        {
          fix: "give each agent a block of its own: --packet-ip",
        },
      );
    }
    if (!furthest || !reaches || block.end > furthest.end) furthest = block;
  }
}

function blockOf(agent: string, { first, count }: NonNullable<Ceiling["packet"]>[number]): Block {
  const ip = parseIp(first);
  const from = toInteger(ip);
  return { agent, first, family: ip.family, from, end: from + BigInt(count) };
}
