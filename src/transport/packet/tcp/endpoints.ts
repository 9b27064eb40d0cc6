// Interface to the ends of connections: finds the connection that a packet belongs to, and writes the addresses and
// ports of its packets. A client computes both from a connection's number; a server looks them up.
import type { ConnectionAddresses } from "../../contract.js";

/** Result of find() if no connection matches. */
export const UNKNOWN = -1;

export interface Endpoints {
  readonly family: 4 | 6;
  /**
   * Finds the connection between two addresses in `bytes`.
   *
   * @param localAt offset of the address on this side
   * @returns its number, or UNKNOWN
   */
  find(bytes: Uint8Array, localAt: number, remoteAt: number, localPort: number, remotePort: number): number;
  /**
   * Writes the addresses and ports of a connection's packets.
   *
   * @param at offset of the source address; the destination address follows it
   * @param portsAt offset of the source port; the destination port follows it
   * @returns the sum of both addresses as 16-bit words, below 2^22
   */
  writeEnds(id: number, bytes: Uint8Array, at: number, portsAt: number): number;
  /** Called when a connection's number changes. */
  moved(from: number, to: number): void;
  /** Called when a connection no longer exists. */
  ended(id: number): void;
  addresses(id: number): ConnectionAddresses;
}
