// What is spoken over connections besides plain TCP, as plain data that goes through JSON unchanged: made from an address with a scheme and
// the options of its protocol, handed to workers, turned into a protocol by create.ts.

/** A WebSocket's handshake and frames (RFC 6455), for either side. */
export interface WebSocketSpec {
  readonly name: "ws";
  /** The Host field of a request. */
  readonly host: string;
  /** Path and query; a server accepts upgrades of this one only, and of any where it is undefined. */
  readonly path?: string | undefined;
  /** Further fields of a request, such as `Authorization: Bearer x`. */
  readonly headers: readonly string[];
  /** The one that a client asks for, or a server agrees on. */
  readonly subprotocol?: string | undefined;
  /** Messages are sent as binary ones, else as text. */
  readonly isBinary: boolean;
  /** How often each connection is pinged; 0 for never. */
  readonly pingIntervalMs: number;
  /** Longer messages end the connection (close code 1009). */
  readonly maxMessageBytes: number;
}

export type ProtocolSpec = WebSocketSpec;
