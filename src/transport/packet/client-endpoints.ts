// Maps a client's connections to their addresses and ports. Normally, a connection's slot equals the number of its
// 4-tuple, so no table is needed. A table maps one to the other only once a 4-tuple is reused or a closed
// connection lingers.
import type { ConnectionAddresses } from "../contract.js";
import { IdTable } from "./id-table.js";
import { type Connections, grown, TCP } from "./tcp/connections.js";
import { type Endpoints, UNKNOWN } from "./tcp/endpoints.js";
import { type PacketTuples, Tuples } from "./tuples.js";

const NOTHING = -1;

export class ClientEndpoints extends IdTable implements Endpoints {
  readonly family: 4 | 6;
  private readonly tuples: Tuples;
  /** Tuple number of each connection; empty while it equals the connection's number. */
  private numbers = new Int32Array(0);
  private connections!: Connections;

  constructor(plan: PacketTuples) {
    super();
    this.tuples = new Tuples(plan);
    this.family = this.tuples.family;
  }

  begin(connections: Connections): void {
    this.connections = connections;
  }

  /** Returns the connection that uses a tuple, or UNKNOWN. */
  holder(number: number): number {
    if (this.numbers.length === 0) {
      const isTaken = number < this.connections.end && this.connections.state(number) !== TCP.closed;
      return isTaken ? number : UNKNOWN;
    }
    const { table, numbers } = this;
    const mask = table.length - 1;
    for (let at = spread(number) & mask; table[at] !== 0; at = (at + 1) & mask) {
      if (numbers[table[at]! - 1] === number) return table[at]! - 1;
    }
    return UNKNOWN;
  }

  /** Gives connection `id` a tuple that no other connection uses. */
  assign(id: number, number: number): void {
    if (this.numbers.length === 0) {
      if (id === number) return;
      this.beginNumbers(id);
    }
    if (id >= this.numbers.length) this.lengthen(id);
    this.numbers[id] = number;
    this.add(id);
  }

  /** Records that connection `id` no longer has a tuple. */
  assignNone(id: number): void {
    if (this.numbers.length === 0) this.beginNumbers(id);
    if (id >= this.numbers.length) this.lengthen(id);
  }

  find(bytes: Uint8Array, localAt: number, remoteAt: number, localPort: number, remotePort: number): number {
    const number = this.tuples.find(bytes, localAt, remoteAt, localPort, remotePort);
    return number < 0 ? UNKNOWN : this.holder(number);
  }

  writeEnds(id: number, bytes: Uint8Array, at: number, portsAt: number): number {
    return this.tuples.writeEnds(this.numberOf(id), bytes, at, portsAt);
  }

  addresses(id: number): ConnectionAddresses {
    const number = this.numberOf(id);
    return {
      local: { ip: this.tuples.sourceIp(number), port: this.tuples.localPort(number) },
      remote: { ip: this.tuples.destinationIp(number), port: this.tuples.remotePort(number) },
    };
  }

  moved(from: number, to: number): void {
    if (this.numbers.length === 0) this.beginNumbers(to, from);
    if (to >= this.numbers.length) this.lengthen(to);
    this.numbers[to] = this.numbers[from]!;
    this.replace(from, to);
    this.numbers[from] = NOTHING;
  }

  ended(id: number): void {
    if (id >= this.numbers.length || this.numbers[id] === NOTHING) return;
    this.remove(id);
    this.numbers[id] = NOTHING;
  }

  protected hashOf(id: number): number {
    return spread(this.numbers[id]!);
  }

  private numberOf(id: number): number {
    return this.numbers.length === 0 ? id : this.numbers[id]!;
  }

  /**
   * Fills the table with all existing connections except `newcomer`.
   * @param also another connection, whose place is already empty
   */
  private beginNumbers(newcomer: number, also = NOTHING): void {
    const { connections } = this;
    this.numbers = new Int32Array(Math.max(connections.flags.length, newcomer + 1)).fill(NOTHING);
    for (let id = 0; id < connections.end; id++) {
      if (id === newcomer || (connections.state(id) === TCP.closed && id !== also)) continue;
      this.numbers[id] = id;
      this.add(id);
    }
  }

  private lengthen(id: number): void {
    const count = Math.max(id + 1, this.numbers.length * 2);
    this.numbers = grown(this.numbers, new Int32Array(count).fill(NOTHING));
  }
}

/** Scatters numbers: consecutive ones would make runs of occupied entries as long as the table. */
function spread(number: number): number {
  const x = Math.imul(number, 0x9e3779b1);
  return x ^ (x >>> 15);
}
