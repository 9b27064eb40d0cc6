// Computes which source ports of a client's run are in use, from its plan and counters. The kernel's socket table has
// the truth (`fourtuple ports --map`), but reading a million sockets every second would take more CPU than the run.

import { type TuplePlan, TupleSequence } from "../../planning/tuple-plan.js";
import { formatIp } from "../../util/address.js";
import type { LiveField, LivePorts } from "./feed.js";

/** Maximum number of client addresses to draw. */
const MOST_CLIENTS = 24;
const MOST_SERVERS = 4;

export class PortFill {
  readonly ports: LivePorts;
  readonly #sequence: TupleSequence;
  readonly #sources: readonly { readonly group: number; readonly source: number }[];
  readonly #serverCount: number;

  /** @param connections number of connections requested; addresses not needed for them are not drawn */
  constructor(plan: TuplePlan, connections: number) {
    this.#sequence = new TupleSequence(plan);
    const order = this.#sequence.portRanges();
    const servers = serversOf(plan);
    const needed = Math.min(connections, this.#sequence.count);
    const used = plan.groups.map((_, group) => this.#sequence.sourcesUsed(group, needed));
    const drawn = used.flatMap((count, group) =>
      Array.from({ length: Math.min(count, MOST_CLIENTS) }, (_, source) => ({ group, source })),
    );
    this.#sources = order.length === 0 ? [] : drawn.slice(0, MOST_CLIENTS);
    this.#serverCount = servers.length;
    this.ports = {
      fields: [...servers.map(({ field }) => field), ...this.#sources.map((source) => this.#clientField(source))],
      omittedAddresses: order.length === 0 ? 0 : used.reduce((sum, count) => sum + count, 0) - this.#sources.length,
      order,
      servers: servers.map(({ ports }) => ports),
      note:
        order.length > 0
          ? undefined
          : "The kernel chooses the source ports of this run, so only its table shows them: run fourtuple ports --map",
    };
  }

  /**
   * Returns the lit ranges of each field. If connections were closed or have failed, the most recent 4-tuples are
   * lit.
   *
   * @param taken number of 4-tuples taken from the plan so far
   * @param held number of those tuples in use
   */
  spans(taken: number, held: number): number[][] {
    const { count } = this.#sequence;
    const end = taken <= count ? taken : ((taken - 1) % count) + 1;
    const start = end - Math.min(held, count);
    const windows =
      start >= 0
        ? [[start, end]]
        : [
            [0, end],
            [count + start, count],
          ];
    const clients = this.#sources.map(({ group, source }) =>
      windows.flatMap(([from, to]) => {
        const [first, last] = [from!, to!].map((index) => this.#sequence.portsUsed(group, source, index));
        return last! > first! ? [first!, last!] : [];
      }),
    );
    return [...Array.from({ length: this.#serverCount }, () => []), ...clients];
  }

  #clientField({ group, source }: { readonly group: number; readonly source: number }): LiveField {
    return { ip: formatIp(this.#sequence.sourceIp(group, source)), role: "client" };
  }
}

function serversOf({ groups }: TuplePlan): { readonly field: LiveField; readonly ports: number[] }[] {
  const byIp = new Map<string, Set<number>>();
  for (const { ip, port } of groups.flatMap(({ destinations }) => destinations)) {
    const text = formatIp(ip);
    byIp.set(text, (byIp.get(text) ?? new Set()).add(port));
  }
  return [...byIp].slice(0, MOST_SERVERS).map(([ip, ports]) => ({ field: { ip, role: "server" }, ports: [...ports] }));
}
