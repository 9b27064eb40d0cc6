// What a caller may ask of TLS, for either role, and the settings that it makes: everything is checked that can be without reading a file.
import { TLS_VERSIONS, type TlsSettings, type TlsVersion } from "../linux/openssl/settings.js";
import { type Address, SCHEMES } from "../protocols/spec/address.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";

/** Options of both roles. */
export interface TlsOptions {
  /** File of certificates (PEM) that the peer's is checked against: a client's default is the system's, a server then asks for one. */
  readonly ca?: string | undefined;
  /** The own certificate, and the chain behind it: a file (PEM). A server without one makes one for itself. */
  readonly cert?: string | undefined;
  /** Its private key: a file (PEM); default the certificate's file. */
  readonly key?: string | undefined;
  /** The only version that is spoken; default 1.2 and 1.3. */
  readonly tlsVersion?: TlsVersion | undefined;
  /** OpenSSL's cipher list; names of TLS 1.3 begin with TLS_. */
  readonly ciphers?: string | undefined;
  /** Protocols that are offered or agreed on by ALPN, the preferred first; default http/1.1 for WebSocket, else none. */
  readonly alpn?: readonly string[] | undefined;
  /** Sessions are resumed: a client offers one for each server, which all connections to it share; a server gives them out. */
  readonly tlsResume?: boolean | undefined;
}

/** A client's besides. */
export interface ClientTlsOptions extends TlsOptions {
  /** Do not verify the server's certificate. */
  readonly insecure?: boolean | undefined;
  /** The name that is asked for (SNI) and that the certificate has to have; default the destination's host. */
  readonly serverName?: string | undefined;
}

/** What a client's TLS is to be. */
export interface TlsSpec extends TlsSettings {
  readonly resumes: boolean;
  readonly serverName?: string | undefined;
}

/** The options as the command line names them. */
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
 * @param address the one that says what is spoken
 * @returns undefined without TLS
 * @throws {AppError} E_OPTION when an option makes no sense, or there is no TLS that it could be of
 */
export function clientTls(address: Address, options: ClientTlsOptions): TlsSpec | undefined {
  const settings = tlsSettings(address, options);
  if (!settings) return undefined;
  if (options.insecure && options.ca !== undefined) {
    throw invalid("a server that is not verified needs no authority", "leave out --ca or --insecure");
  }
  const { serverName } = options;
  // OpenSSL takes an empty name for none, and then every certificate that the authorities vouch for.
  if (serverName !== undefined && !/^[!-~]+$/.test(serverName)) {
    throw invalid(
      `invalid server name: ${quoted(serverName)}`,
      "give the name that the certificate has, such as example.org",
    );
  }
  return {
    ...settings,
    insecure: options.insecure ?? false,
    resumes: options.tlsResume ?? false,
    serverName,
  };
}

/** As clientTls(), for a server: it has no identity yet where no certificate is given. */
export function tlsSettings(address: Address, options: ClientTlsOptions): TlsSettings | undefined {
  const { isSecure, protocol } = SCHEMES[address.scheme];
  if (!isSecure) {
    for (const [name, option] of Object.entries(NAMES)) {
      if (!options[name as keyof ClientTlsOptions]) continue;
      throw invalid(`${option} is an option of TLS`, `give an address with tls:// or wss://, or leave out ${option}`);
    }
    return undefined;
  }
  const { ca, cert, key, tlsVersion, ciphers, alpn = protocol === "ws" ? ["http/1.1"] : [] } = options;
  if (tlsVersion !== undefined && !TLS_VERSIONS.includes(tlsVersion)) {
    throw invalid(`unknown version of TLS: ${quoted(`${tlsVersion}`)}`, `give one of ${TLS_VERSIONS.join(", ")}`);
  }
  if (key !== undefined && cert === undefined) {
    throw invalid("a key needs its certificate", "give the certificate with --cert");
  }
  for (const name of alpn) {
    if (/^[!-~]+$/.test(name) && name.length <= LONGEST_ALPN) continue;
    throw invalid(`invalid protocol of ALPN: ${quoted(name)}`, "give names such as h2 or http/1.1");
  }
  const none = { identity: undefined, ticketKeys: undefined, insecure: false };
  return { ca, cert, key, ciphers, alpn, version: tlsVersion, ...none };
}

function invalid(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
