// Counts runs of similar IPv4 sockets before they are grouped. Most tables have few combinations of addresses, and counting
// one in a small cache takes a fraction of the time of numbering its addresses and endpoints.

const SLOTS = 4096;

/**
 * Receives sockets with the same addresses, port and kind.
 *
 * @param localIpv4 address as an unsigned number, like `remoteIpv4`
 * @param localPort port of the first socket
 * @param sockets number of sockets, at least 1
 */
export type CombinedVisit = (
  localIpv4: number,
  remoteIpv4: number,
  port: number,
  kind: number,
  localPort: number,
  sockets: number,
) => void;

/** A direct-mapped cache: a socket that needs an occupied place first passes on the run counted there. */
export class TupleCombiner {
  private readonly locals = new Uint32Array(SLOTS);
  private readonly remotes = new Uint32Array(SLOTS);
  private readonly ports = new Int32Array(SLOTS);
  private readonly kinds = new Int32Array(SLOTS);
  private readonly firstPorts = new Int32Array(SLOTS);
  private readonly counts = new Int32Array(SLOTS);
  private isEmpty = true;
  private readonly visit: CombinedVisit;

  constructor(visit: CombinedVisit) {
    this.visit = visit;
  }

  /**
   * @param port the port to group by: 0 to 65,535
   * @param kind any other number to group by
   */
  add(localIpv4: number, remoteIpv4: number, port: number, kind: number, localPort: number): void {
    let hash =
      Math.imul(localIpv4, 0x9e3779b1) ^ Math.imul(remoteIpv4, 0x85ebca6b) ^ Math.imul(port + (kind << 16), 0xc2b2ae35);
    hash ^= hash >>> 15;
    const slot = (hash ^ (hash >>> 7)) & (SLOTS - 1);
    if (
      this.locals[slot] === localIpv4 &&
      this.remotes[slot] === remoteIpv4 &&
      this.ports[slot] === port &&
      this.kinds[slot] === kind &&
      this.counts[slot] !== 0
    ) {
      this.counts[slot]!++;
      return;
    }
    this.pass(slot);
    this.isEmpty = false;
    this.locals[slot] = localIpv4;
    this.remotes[slot] = remoteIpv4;
    this.ports[slot] = port;
    this.kinds[slot] = kind;
    this.firstPorts[slot] = localPort;
    this.counts[slot] = 1;
  }

  /** Passes on everything that was added. */
  flush(): void {
    if (this.isEmpty) return;
    for (let slot = 0; slot < SLOTS; slot++) this.pass(slot);
    this.isEmpty = true;
  }

  private pass(slot: number): void {
    const sockets = this.counts[slot]!;
    if (sockets === 0) return;
    this.counts[slot] = 0;
    this.visit(
      this.locals[slot]!,
      this.remotes[slot]!,
      this.ports[slot]!,
      this.kinds[slot]!,
      this.firstPorts[slot]!,
      sockets,
    );
  }
}
