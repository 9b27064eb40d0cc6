// Tells the first bytes that a connection receives from later ones. Takes one bit per slot.
import { grown } from "../protocols/columns.js";

export class FirstReads {
  /** By slot, eight to a byte: 1 once the connection has received bytes. */
  private bits = new Uint8Array(128);

  /** A new connection occupies `slot`. */
  begin(slot: number): void {
    const at = slot >> 3;
    if (at < this.bits.length) this.bits[at]! &= ~(1 << (slot & 7));
  }

  /** Called when the connection in `slot` has received bytes. Returns whether they are its first. */
  take(slot: number): boolean {
    const [at, bit] = [slot >> 3, 1 << (slot & 7)];
    if (at >= this.bits.length) this.bits = grown(this.bits, at);
    if ((this.bits[at]! & bit) !== 0) return false;
    this.bits[at]! |= bit;
    return true;
  }
}
