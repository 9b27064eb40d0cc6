// Defines the TLS options for either role, and builds settings from them. Everything that can be checked without
// reading files is checked here.
import type { TlsSettings, TlsVersion } from "../linux/openssl/settings.js";
import { type Address, SCHEMES } from "../protocols/spec/address.js";
import { TLS_VERSIONS } from "../results/identifiers.js";
import { isIp } from "../util/address.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";

/** Options for both roles. */
export interface TlsOptions {
  /**
   * File of CA certificates (PEM) for verifying the peer. By default, a client uses the system's CA certificates. A
   * server with this option requires client certificates.
   */
  readonly ca?: string | undefined;
  /** File (PEM) with the certificate and its chain. A server without a certificate generates a self-signed one. */
  readonly cert?: string | undefined;
  /** File (PEM) with the private key; default: the certificate's file. */
  readonly key?: string | undefined;
  /** The only permitted TLS version; by default, 1.2 and 1.3 are permitted. */
  readonly tlsVersion?: TlsVersion | undefined;
  /** OpenSSL cipher list. Names for TLS 1.3 begin with TLS_. */
  readonly ciphers?: string | undefined;
  /** ALPN protocols, most preferred first; default: http/1.1 for WebSocket, otherwise none. */
  readonly alpn?: readonly string[] | undefined;
  /**
   * Whether to resume sessions: a client offers one session per server on all connections; a server issues tickets.
   */
  readonly tlsResume?: boolean | undefined;
}

/** Additional TLS options for a client. */
export interface ClientTlsOptions extends TlsOptions {
  /** Whether to skip verification of the server's certificate. */
  readonly insecure?: boolean | undefined;
  /** Name for SNI, which the certificate must contain; default: the destination's host. */
  readonly serverName?: string | undefined;
}

/** A client's TLS settings. */
export interface TlsSpec extends TlsSettings {
  readonly resumes: boolean;
  readonly serverName?: string | undefined;
}

/** Command-line names of the options. */
const NAMES: Readonly<Record<keyof ClientTlsOptions, string>> = {
  ca: "--ca",
  cert: "--cert",
  key: "--key",
  insecure: "--insecure",
  tlsVersion: "--tls-version",
  ciphers: "--ciphers",
  tlsResume: "--tls-resume",
  alpn: "--alpn",
  serverName: "--servername",
};
const LONGEST_ALPN = 255;

/**
 * @param address determines the protocol
 * @returns undefined without TLS
 * @throws {AppError} E_OPTION when an option is invalid, or is given without TLS
 */
export function clientTls(address: Address, options: ClientTlsOptions): TlsSpec | undefined {
  const settings = tlsSettings(address, options);
  if (!settings) return undefined;
  if (options.insecure && options.ca !== undefined) {
    throw invalid("--ca cannot be combined with --insecure", "omit --ca or --insecure");
  }
  const { serverName } = options;
  // OpenSSL treats an empty name as no name, and would accept any certificate from a trusted CA.
  if (serverName !== undefined && !/^[!-~]+$/.test(serverName)) {
    throw invalid(`invalid server name: ${quoted(serverName)}`, "use a name from the certificate, such as example.org");
  }
  // Only an address can consist of digits and dots, or contain a colon.
  if (serverName !== undefined && /^[\d.]+$|:/.test(serverName) && !isIp(serverName)) {
    throw invalid(`invalid IP address as the server name: ${quoted(serverName)}`, "use a name, or a valid address");
  }
  return {
    ...settings,
    insecure: options.insecure ?? false,
    resumes: options.tlsResume ?? false,
    serverName,
  };
}

/** Like clientTls(), for a server. If no certificate is given, the settings have no identity yet. */
export function tlsSettings(address: Address, options: ClientTlsOptions): TlsSettings | undefined {
  const { isSecure, protocol } = SCHEMES[address.scheme];
  if (!isSecure) {
    for (const [name, option] of Object.entries(NAMES)) {
      if (!options[name as keyof ClientTlsOptions]) continue;
      throw invalid(`${option} requires TLS`, `use an address with tls:// or wss://, or omit ${option}`);
    }
    return undefined;
  }
  const { ca, cert, key, tlsVersion, ciphers, alpn = protocol === "tcp" ? [] : ["http/1.1"] } = options;
  if (tlsVersion !== undefined && !TLS_VERSIONS.includes(tlsVersion)) {
    throw invalid(`unknown TLS version: ${quoted(`${tlsVersion}`)}`, `use one of ${TLS_VERSIONS.join(", ")}`);
  }
  if (key !== undefined && cert === undefined) {
    throw invalid("--key requires --cert", "pass the certificate with --cert");
  }
  for (const name of alpn) {
    if (/^[!-~]+$/.test(name) && name.length <= LONGEST_ALPN) continue;
    throw invalid(`invalid ALPN protocol: ${quoted(name)}`, "use names such as h2 or http/1.1");
  }
  const none = { identity: undefined, ticketKeys: undefined, insecure: false };
  return { ca, cert, key, ciphers, alpn, version: tlsVersion, ...none };
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
