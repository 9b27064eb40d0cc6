// Flags of an MQTT connection, stored in one byte per slot.

/** A CONNACK has accepted the connection. */
export const CONNECTED = 1;
/** Part of a packet is buffered until the rest arrives. */
export const PARTIAL = 2;
/** The connection uses MQTT 5. */
export const VERSION_5 = 4;
/** Nothing more is read or sent. */
export const CLOSED = 8;
/**
 * Lowest flag that a client or a server may define for itself; it may use all higher flags.
 */
export const OWN_MARK = 16;
