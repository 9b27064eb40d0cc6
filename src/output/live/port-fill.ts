// Computes which source ports of a client's run are in use, from its plan and counters. The kernel's socket table has
// the truth (`fourtuple ports --map`), but reading a million sockets every second would take more CPU than the run.

import type { TupleUse } from "../../client/evidence/tuple-use.js";
import { type TuplePlan, TupleSequence } from "../../planning/tuple-plan.js";
import { formatIp } from "../../util/address.js";
import type { LiveField, LivePorts } from "./feed.js";

/** Maximum number of client addresses to draw. */
const MOST_CLIENTS = 24;
const MOST_SERVERS = 4;

/** The 4-tuples of a plan, whose use is known by the order in which they are taken. */
interface Part {
  readonly sequence: TupleSequence;
  readonly sources: readonly { readonly group: number; readonly source: number }[];
}

export class PortFill {
  readonly ports: LivePorts;
  readonly #parts: readonly Part[];
  readonly #serverCount: number;

  /**
   * @param uses by plan; all plans have the same destinations and source ports. Addresses that the requested connections
   *   do not need are not drawn
   */
  constructor(uses: readonly Pick<TupleUse, "plan" | "connections">[]) {
    const servers = serversOf(uses[0]!.plan);
    const sequences = uses.map(({ plan }) => new TupleSequence(plan));
    const order = sequences[0]!.portRanges();
    let [needed, room] = [0, order.length === 0 ? 0 : MOST_CLIENTS];
    this.#parts = sequences.map((sequence, index) => {
      const { plan, connections } = uses[index]!;
      const used = plan.groups.map((_, group) => sequence.sourcesUsed(group, Math.min(connections, sequence.count)));
      const sources = used
        .flatMap((count, group) => Array.from({ length: Math.min(count, room) }, (_, source) => ({ group, source })))
        .slice(0, room);
      needed += used.reduce((sum, count) => sum + count, 0);
      room -= sources.length;
      return { sequence, sources };
    });
    const clients = this.#parts.flatMap(({ sequence, sources }) =>
      sources.map(
        ({ group, source }): LiveField => ({
          ip: formatIp(sequence.sourceIp(group, source)),
          role: "client",
        }),
      ),
    );
    this.#serverCount = servers.length;
    this.ports = {
      fields: [...servers.map(({ field }) => field), ...clients],
      omittedAddresses: order.length === 0 ? 0 : needed - clients.length,
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
   * @param uses as for the constructor
   */
  spans(uses: readonly Pick<TupleUse, "taken" | "held">[]): number[][] {
    const clients = this.#parts.flatMap((part, index) => spansOf(part, uses[index]!));
    return [...Array.from({ length: this.#serverCount }, () => []), ...clients];
  }
}

function spansOf({ sequence, sources }: Part, { taken, held }: Pick<TupleUse, "taken" | "held">): number[][] {
  const { count } = sequence;
  const end = taken <= count ? taken : ((taken - 1) % count) + 1;
  const start = end - Math.min(held, count);
  const windows =
    start >= 0
      ? [[start, end]]
      : [
          [0, end],
          [count + start, count],
        ];
  return sources.map(({ group, source }) =>
    windows.flatMap(([from, to]) => {
      const [first, last] = [from!, to!].map((index) => sequence.portsUsed(group, source, index));
      return last! > first! ? [first!, last!] : [];
    }),
  );
}

function serversOf({ groups }: TuplePlan): { readonly field: LiveField; readonly ports: number[] }[] {
  const byIp = new Map<string, Set<number>>();
  for (const { ip, port } of groups.flatMap(({ destinations }) => destinations)) {
    const text = formatIp(ip);
    byIp.set(text, (byIp.get(text) ?? new Set()).add(port));
  }
  return [...byIp].slice(0, MOST_SERVERS).map(([ip, ports]) => ({ field: { ip, role: "server" }, ports: [...ports] }));
}
