// The options of `fourtuple serve` as parsed, and those of the library that they stand for.
import type { TlsOptions } from "../../planning/tls.js";
import type { ProtocolOptions } from "../../protocols/spec/options.js";
import type { ServeOptions } from "../../server/options.js";
import { unescapeText } from "../escapes.js";
import type { FleetRunOptions } from "../fleet/options.js";
import { type ProtocolCommandOptions, serverProtocolOptionsOf, tlsOptionsOf } from "../protocol-options.js";
import type { UiOption } from "../ui/ui.js";

/** Options as parsed from the command line. */
export type ServeCommandOptions = Omit<ServeOptions, "at" | "greeting" | keyof ProtocolOptions | keyof TlsOptions> &
  ProtocolCommandOptions &
  FleetRunOptions & {
    readonly greeting?: string;
    readonly duration?: number;
    readonly json?: boolean;
    readonly metrics?: string;
    readonly ui?: UiOption;
  };

/** Returns the library's options for those of the command line. */
export function serveOptionsOf(at: string, options: ServeCommandOptions): ServeOptions {
  const { mode, greeting, closeAfterGreeting, backlog, maxConnections, log, engine, transport, proxyProtocol } =
    options;
  return {
    at,
    mode,
    greeting: greeting === undefined ? undefined : unescapeText(greeting, "--greeting"),
    closeAfterGreeting,
    proxyProtocol,
    backlog,
    maxConnections,
    log,
    engine,
    transport,
    delayedAck: options.delayedAck,
    ...serverProtocolOptionsOf(options),
    ...tlsOptionsOf(options),
  };
}
