// Protocol spec: plain data that survives JSON. It is made from an address with a scheme and the options of its
// protocol, passed to workers, and turned into a protocol by create.ts.

/** WebSocket handshake and frames (RFC 6455), for either side. */
export interface WebSocketSpec {
  readonly name: "ws";
  /** Host field of a request. */
  readonly host: string;
  /** Path and query. A server only accepts upgrades for this path, or for any if undefined. */
  readonly path?: string | undefined;
  /** Additional request fields, such as `Authorization: Bearer x`. */
  readonly headers: readonly string[];
  /** Subprotocol that a client requests or a server agrees to. */
  readonly subprotocol?: string | undefined;
  /** Whether messages are sent as binary rather than text. */
  readonly isBinary: boolean;
  /** Ping interval of each connection; 0 for never. */
  readonly pingIntervalMs: number;
  /** Longer messages end the connection (close code 1009). */
  readonly maxMessageBytes: number;
}

export type ProtocolSpec = WebSocketSpec;

/** Protocol on the connections. `tcp` means raw bytes and has no spec. */
export type ProtocolName = ProtocolSpec["name"] | "tcp";
