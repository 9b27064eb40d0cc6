// What a caller may ask of serve(), and what that means when something is not said.

import type { TlsSettings } from "../linux/openssl/settings.js";
import { type TlsOptions, tlsSettings } from "../planning/tls.js";
import { SERVER_MODES, type ServerMode } from "../protocols/modes.js";
import { type Address, parseAddress } from "../protocols/spec/address.js";
import { HANDSHAKE_TIMEOUT_MS, type ProtocolOptions, protocolSpec } from "../protocols/spec/options.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { EngineChoice } from "../results/engine.js";
import { ENGINE_CHOICES } from "../results/identifiers.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";

export interface ServeOptions extends Omit<ProtocolOptions, "headers">, TlsOptions {
  /**
   * Where to listen: `host:port`, `[::1]:7777`, `:7777` for 127.0.0.1; port 0 lets the kernel choose. `tls://host:port` for TLS, `ws://host:port/path` for WebSocket: with
   * a path, upgrades of that one only.
   */
  readonly at: string;
  /** What to do with a connection; default `hello`: greet and hold. */
  readonly mode?: ServerMode | undefined;
  /** Sent to each connection; default `hello` in hello mode, nothing in echo and discard. */
  readonly greeting?: string | undefined;
  /** Close as soon as the greeting is sent, as the article's server does. */
  readonly closeAfterGreeting?: boolean | undefined;
  /** The accept queue's length; default 65,535, clamped by net.core.somaxconn. */
  readonly backlog?: number | undefined;
  /** Connections to hold at most; one more is accepted and closed at once. */
  readonly maxConnections?: number | undefined;
  /** Which connections to tell of by `connection` events; default the first 10. */
  readonly log?: "first" | "all" | "none" | undefined;
  /** What carries the connections: `epoll`, `uring` (io_uring), or what suits the host best; default `auto`. */
  readonly engine?: EngineChoice | undefined;
  /** Ends the server, as stop() does. */
  readonly signal?: AbortSignal | undefined;
}

export interface ServeSettings {
  readonly at: Address;
  readonly mode: ServerMode;
  readonly greeting: string | undefined;
  readonly closeAfterGreeting: boolean;
  /** What is spoken over the connections; undefined for plain TCP. */
  readonly protocol: ProtocolSpec | undefined;
  /** undefined in the clear; its identity is not made yet. */
  readonly tls: TlsSettings | undefined;
  /** TLS sessions can be used again. */
  readonly resumes: boolean;
  readonly handshakeTimeoutMs: number;
  readonly backlog: number;
  readonly maxConnections: number;
  /** How many connections to tell of. */
  readonly logged: number;
  readonly engine: EngineChoice;
}

/** How many connections are told of unless asked otherwise. */
export const FIRST_LOGGED = 10;
/** The default length of the accept queue. */
export const BACKLOG = 65_535;
/** The longest that can be asked for: listen() takes an int. */
export const LONGEST_BACKLOG = 2 ** 31 - 1;
/** As good as no limit, and still a 32-bit integer. */
export const UNLIMITED = 2 ** 31 - 1;

/** @throws {AppError} E_ADDRESS, or E_OPTION when an option makes no sense */
export function resolveOptions(options: ServeOptions): ServeSettings {
  const mode = options.mode ?? "hello";
  if (!SERVER_MODES.includes(mode)) {
    throw new AppError("E_OPTION", `unknown mode: ${quoted(`${mode}`)}`, {
      fix: `give one of ${SERVER_MODES.join(", ")}`,
    });
  }
  assertCount("backlog", options.backlog, LONGEST_BACKLOG);
  assertCount("connections at most", options.maxConnections, UNLIMITED);
  const engine = options.engine ?? "auto";
  if (!ENGINE_CHOICES.includes(engine)) {
    throw new AppError("E_OPTION", `unknown engine: ${quoted(`${engine}`)}`, {
      fix: `give ${ENGINE_CHOICES.join(", ")}`,
    });
  }
  if (options.closeAfterGreeting && options.greeting === "") {
    throw new AppError("E_OPTION", "--close-after-greeting needs a greeting", {
      fix: "add --greeting TEXT",
    });
  }
  const at = parseAddress(options.at, { anyPort: true });
  return {
    at,
    mode,
    // A server that is to close after its greeting has one, whatever its mode.
    greeting: options.greeting ?? (options.closeAfterGreeting ? "hello" : undefined),
    closeAfterGreeting: options.closeAfterGreeting ?? false,
    protocol: protocolSpec(at, options),
    tls: tlsSettings(at, options),
    resumes: options.tlsResume ?? false,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    backlog: options.backlog ?? BACKLOG,
    maxConnections: options.maxConnections ?? UNLIMITED,
    logged: { first: FIRST_LOGGED, all: UNLIMITED, none: 0 }[options.log ?? "first"],
    engine,
  };
}

function assertCount(name: string, value: number | undefined, max: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= max)) return;
  throw new AppError("E_OPTION", `invalid ${name}: ${value}`, {
    fix: `give a whole number from 1 to ${max}`,
  });
}
