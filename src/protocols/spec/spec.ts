// The protocol spec: plain data that survives JSON. The spec is built from an address with a scheme and the
// protocol's options, passed to workers, and turned into a protocol by create.ts.

/** WebSocket handshake and frames (RFC 6455), for either side. */
export interface WebSocketSpec {
  readonly name: "ws";
  /** Host field of a request. */
  readonly host: string;
  /**
   * Path and query of the request. A server accepts upgrades only for this path, or for any path if it is
   * undefined.
   */
  readonly path?: string | undefined;
  /**
   * Additional fields of a client's request, such as `Authorization: Bearer x`, or of a server's response to an
   * upgrade.
   */
  readonly headers: readonly string[];
  /** Subprotocol that a client requests or a server accepts. */
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
  /**
   * Path and query of requests. A server answers 404 to requests for any other path, unless it is undefined.
   */
  readonly path?: string | undefined;
  /**
   * Body of a request or response in base64; undefined for a request without a body, and for a server's default
   * body.
   */
  readonly body?: string | undefined;
  /** Additional fields of each request, such as `Authorization: Bearer x`, or of each response. */
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
  /** Servers: delay before each response; 0 for none. */
  readonly delayMs: number;
  /** Servers: longer request bodies are refused (413). */
  readonly maxBodyBytes: number;
}

/** MQTT sessions, for either side. In strings, `%i` stands for the connection's number. */
export interface MqttSpec {
  readonly name: "mqtt";
  /** Protocol level: 4 for 3.1.1, or 5. A server supports both. */
  readonly version: 4 | 5;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Interval at which each connection is pinged; 0 for never. */
  readonly keepAliveSec: number;
  readonly cleanStart: boolean;
  /** How long a broker keeps a session after its connection; MQTT 5. */
  readonly sessionExpirySec: number;
  readonly will?:
    | { readonly topic: string; readonly message: string; readonly qos: number; readonly isRetained: boolean }
    | undefined;
  readonly subscribe?: { readonly topics: readonly string[]; readonly qos: number } | undefined;
  readonly publish?: PublishSpec | undefined;
  /** Reason code with which a server refuses all clients; 0 for none. */
  readonly refusal: number;
}

/** What an MQTT client does with its message. */
export interface PublishSpec {
  readonly topic: string;
  readonly qos: number;
  readonly isRetained: boolean;
  /** Whether the payload begins with a stamp, from which subscribers measure its latency. */
  readonly isStamped: boolean;
}

/** A counter or histogram that a script declares. */
export interface MetricSpec {
  readonly name: string;
  readonly type: "counter" | "histogram";
  readonly help?: string | undefined;
}

/** A user-defined protocol (protocols/scripted/), for one side. */
export interface ScriptedSpec {
  readonly name: "scripted";
  /** The protocol's name, as given in its definition. */
  readonly title: string;
  /** Absolute path of the file. */
  readonly file: string;
  /** SHA-256 of the file, in hexadecimal. */
  readonly sha256: string;
  /** Spec of the WebSocket that carries the protocol; undefined for a byte stream. */
  readonly webSocket?: WebSocketSpec | undefined;
  /** Whether this side has a handler that calls ready(). */
  readonly opens: boolean;
  /** Clients: whether messages are due. */
  readonly sends: boolean;
  /** Clients: whether messages are answered. */
  readonly isAnswered: boolean;
  /** Clients: whether each message of a connection waits for the previous answer. */
  readonly alternates: boolean;
  /** Clients: names of the phases of a connection. */
  readonly phases: readonly string[];
  readonly metrics: readonly MetricSpec[];
  readonly seed: number;
  readonly data?: DataSpec | undefined;
  /** The files in base64, for a host that does not have them. */
  readonly contents?: { readonly code: string; readonly data?: string | undefined } | undefined;
}

/** Data rows for a script's connections. */
export interface DataSpec {
  /** Absolute path. */
  readonly file: string;
  /** Required columns. */
  readonly columns: readonly string[];
  /** Whether a connection beyond the last row starts again at the first; otherwise it fails with NO_DATA. */
  readonly wraps: boolean;
}

export type ProtocolSpec = WebSocketSpec | HttpSpec | MqttSpec | ScriptedSpec;

/** Protocol on the connections. `tcp` means raw bytes and has no spec. */
export type ProtocolName = ProtocolSpec["name"] | "tcp";
