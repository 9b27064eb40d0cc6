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

/** HTTP/1.1 requests and responses (RFC 9112), for either side. */
export interface HttpSpec {
  readonly name: "http";
  /** Whether the scheme is https. */
  readonly isSecure: boolean;
  /** Host field of a request. */
  readonly host: string;
  /** Path and query. A server answers 404 to requests for any other, unless undefined. */
  readonly path?: string | undefined;
  /** Body of a request or response in base64; undefined for a request without one, and for a server's default. */
  readonly body?: string | undefined;
  /** Clients: additional request fields, such as `Authorization: Bearer x`. */
  readonly headers: readonly string[];
  readonly method: string;
  /** Clients: whether each connection is closed after its first response. */
  readonly closesAnswered: boolean;
  /** Clients: how long a response may take or stall; 0 for no limit. */
  readonly responseTimeoutMs: number;
  /** Servers: status of each response. */
  readonly status: number;
  /** Servers: interval of server-sent events; 0 for an ordinary response. */
  readonly eventIntervalMs: number;
  /** Servers: how long each response is held back; 0 for not at all. */
  readonly delayMs: number;
  /** Servers: longer request bodies are refused (413). */
  readonly maxBodyBytes: number;
}

export type ProtocolSpec = WebSocketSpec | HttpSpec;

/** Protocol on the connections. `tcp` means raw bytes and has no spec. */
export type ProtocolName = ProtocolSpec["name"] | "tcp";
