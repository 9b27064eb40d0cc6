// Options of serve() and their defaults.

import { isUtf8 } from "node:buffer";
import type { TlsSettings } from "../linux/openssl/settings.js";
import { checkDelayedAck } from "../planning/packet/plan.js";
import { type TlsOptions, tlsSettings } from "../planning/tls.js";
import { SERVER_MODES, type ServerMode } from "../protocols/modes.js";
import type { LoadedScript } from "../protocols/scripted/file/load.js";
import { type Address, parseAddress } from "../protocols/spec/address.js";
import {
  type ClientOnly,
  HANDSHAKE_TIMEOUT_MS,
  type ProtocolOptions,
  protocolSpec,
} from "../protocols/spec/options.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { EngineChoice, TransportName } from "../results/engine.js";
import { ENGINE_CHOICES, TRANSPORTS } from "../results/identifiers.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";

export interface ServeOptions extends Omit<ProtocolOptions, ClientOnly>, TlsOptions {
  /**
   * Address to listen on: `host:port`, `[::1]:7777`, or `:7777` for 127.0.0.1. Port 0 lets the kernel choose a port.
   * Use `tls://host:port` for TLS and `ws://host:port/path` for WebSocket; with a path, only upgrades to that path are
   * accepted. `http://host:port/path` answers HTTP requests, with 404 for any other path; `https://` adds TLS.
   * `mqtt://host` is an MQTT sink. With transport `packet`, the host may be a range of addresses, such as
   * `10.64.0.1-10.64.0.8:7777`; the threads divide them up.
   */
  readonly at: string;
  /** What to do with each connection. The default `hello` sends a greeting and holds the connection. */
  readonly mode?: ServerMode | undefined;
  /** Text or bytes sent to each connection. The default is `hello` in hello mode and nothing in echo and discard modes. */
  readonly greeting?: string | Uint8Array | undefined;
  /**
   * Whether to close each connection as soon as the greeting is sent, like the server in the blog post on the 65,535
   * myth.
   */
  readonly closeAfterGreeting?: boolean | undefined;
  /**
   * Whether each connection begins with a PROXY protocol header, of version 1 or 2, sent by a load balancer;
   * `connection` events name the client in that header. A connection without a header fails. Default false.
   */
  readonly proxyProtocol?: boolean | undefined;
  /**
   * Length of the accept queue, which the kernel clamps to net.core.somaxconn; default 65,535.
   */
  readonly backlog?: number | undefined;
  /** Maximum number of connections to hold. Further connections are accepted and closed at once. */
  readonly maxConnections?: number | undefined;
  /** Connections to report by `connection` events; default `first`, which is the first 10. */
  readonly log?: "first" | "all" | "none" | undefined;
  /** I/O engine: `epoll`, `uring` (io_uring), or the default `auto`, which selects the best one for the host. */
  readonly engine?: EngineChoice | undefined;
  /**
   * Whose TCP to use: `kernel` (the default), or `packet` for the TCP of this program, which works through a TUN
   * device. The latter needs CAP_NET_ADMIN and an address that belongs to no host.
   */
  readonly transport?: TransportName | undefined;
  /**
   * With transport `packet`: lets an ACK wait up to 40 ms for data that carries it, or for a second segment. Default
   * false: each segment is acknowledged at once.
   */
  readonly delayedAck?: boolean | undefined;
  /**
   * With transport `packet`: makes the changes to this host without which clients on other hosts cannot reach the
   * server, and reverts them at the end.
   */
  readonly apply?: boolean | undefined;
  /** Journal of the changes; default: the one of `fourtuple doctor`. */
  readonly journal?: string | undefined;
  /** Aborting this signal stops the server, like stop(). */
  readonly signal?: AbortSignal | undefined;
}

export interface ServeSettings {
  readonly at: Address;
  readonly mode: ServerMode;
  readonly greeting: string | Uint8Array | undefined;
  readonly closeAfterGreeting: boolean;
  /** Application protocol; undefined for plain TCP. */
  readonly protocol: ProtocolSpec | undefined;
  /** TLS settings; undefined without TLS. No certificate has been generated at this point. */
  readonly tls: TlsSettings | undefined;
  /** Whether TLS sessions can be resumed. */
  readonly resumes: boolean;
  readonly handshakeTimeoutMs: number;
  readonly proxyProtocol: boolean;
  readonly backlog: number;
  readonly maxConnections: number;
  /** Number of connections to report by `connection` events. */
  readonly logged: number;
  readonly engine: EngineChoice;
  readonly transport: TransportName;
  readonly delayedAck: boolean;
}

/** Number of connections reported by default. */
export const FIRST_LOGGED = 10;
/** Default accept queue length. */
const BACKLOG = 65_535;
/** Maximum accept queue length, because listen() takes an int. */
const LONGEST_BACKLOG = 2 ** 31 - 1;
/** Effectively no limit, but still a 32-bit integer. */
export const UNLIMITED = 2 ** 31 - 1;

/**
 * @param script the loaded file of `protocol`
 * @throws {AppError} E_ADDRESS, or E_OPTION for an invalid option
 */
export function resolveOptions(options: ServeOptions, script?: LoadedScript): ServeSettings {
  const mode = options.mode ?? "hello";
  if (!SERVER_MODES.includes(mode)) {
    throw new AppError("E_OPTION", `unknown mode: ${quoted(`${mode}`)}`, {
      fix: `use one of ${SERVER_MODES.join(", ")}`,
    });
  }
  assertCount("backlog", options.backlog, LONGEST_BACKLOG);
  assertCount("maximum number of connections", options.maxConnections, UNLIMITED);
  const engine = options.engine ?? "auto";
  const transport = options.transport ?? "kernel";
  if (!TRANSPORTS.includes(transport)) {
    throw new AppError("E_OPTION", `unknown transport: ${quoted(`${transport}`)}`, {
      fix: `use ${TRANSPORTS.join(" or ")}`,
    });
  }
  checkDelayedAck(options);
  if (!ENGINE_CHOICES.includes(engine)) {
    throw new AppError("E_OPTION", `unknown engine: ${quoted(`${engine}`)}`, {
      fix: `use ${ENGINE_CHOICES.join(", ")}`,
    });
  }
  if (options.closeAfterGreeting && options.greeting?.length === 0) {
    throw new AppError("E_OPTION", "--close-after-greeting requires a greeting", {
      fix: "add --greeting TEXT",
    });
  }
  const at = parseAddress(options.at, { anyPort: true });
  const proxyProtocol = options.proxyProtocol ?? false;
  const side = { mode, hasOpening: proxyProtocol, script: script && { script, side: "server" as const } };
  const protocol = protocolSpec(at, options, side);
  if (script && (options.greeting !== undefined || options.closeAfterGreeting || mode !== "hello")) {
    throw new AppError("E_OPTION", "the protocol file says what the server sends", {
      fix: "omit --mode, --greeting and --close-after-greeting",
    });
  }
  if (protocol?.name === "mqtt" && (options.greeting !== undefined || options.closeAfterGreeting || mode === "echo")) {
    throw new AppError("E_OPTION", "an MQTT server neither greets nor echoes", {
      fix: "omit --mode, --greeting and --close-after-greeting",
    });
  }
  if (protocol?.name === "ws" && !protocol.isBinary && !isUtf8(Buffer.from((options.greeting ?? "") as Uint8Array))) {
    throw new AppError("E_OPTION", "the greeting is not valid UTF-8, which text messages require", {
      fix: "send it as a binary message: --binary",
    });
  }
  return {
    at,
    mode,
    // With closeAfterGreeting, there is a greeting in every mode.
    greeting: copyOf(options.greeting) ?? (options.closeAfterGreeting ? "hello" : undefined),
    closeAfterGreeting: options.closeAfterGreeting ?? false,
    protocol,
    tls: tlsSettings(at, options),
    resumes: options.tlsResume ?? false,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    proxyProtocol,
    backlog: options.backlog ?? BACKLOG,
    maxConnections: options.maxConnections ?? UNLIMITED,
    logged: { first: FIRST_LOGGED, all: UNLIMITED, none: 0 }[options.log ?? "first"],
    engine,
    transport,
    delayedAck: options.delayedAck ?? false,
  };
}

/** Copy the bytes, because the caller may change them later. */
function copyOf(greeting: string | Uint8Array | undefined): string | Uint8Array | undefined {
  return typeof greeting === "string" ? greeting : greeting && Uint8Array.from(greeting);
}

function assertCount(name: string, value: number | undefined, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= max)) return;
  throw new AppError("E_OPTION", `invalid ${name}: ${value}`, {
    fix: `use a whole number from 1 to ${max}`,
  });
}
