// Describes what a server without kernel sockets listens on.
import type { AddressRange } from "../../util/address-range.js";

/** Addresses and port that a server listens on. The range does not cross a multiple of 2^32. */
export interface PacketListener {
  readonly addresses: AddressRange;
  readonly port: number;
}
