// Turns the options for NATS into its client's settings, and that client's errors into words.
import { X509Certificate } from "node:crypto";
import type { NodeConnectionOptions } from "@nats-io/transport-node";
import { isIp } from "../../util/address.js";
import { AppError } from "../../util/errors.js";
import { hostFault } from "../../util/host-fault.js";
import { quoted } from "../../util/printable.js";
import type { NatsOptions } from "../options.js";
import { readAuthority, readCreds } from "./files.js";

const CONNECT_MS = 5000;
/** Short, because an agent's lease runs while the connection is interrupted. */
const RECONNECT_MS = 200;
const TOKENS = ["FOURTUPLE_NATS_TOKEN", "NATS_TOKEN"] as const;

/**
 * @param name shown in the server's monitoring
 * @param credsAuthenticator the client's function
 * @throws {AppError} E_OPTION if a URL is invalid or contains a password, or a file cannot be read
 */
export function natsSettings(
  { servers, creds, ca, token }: NatsOptions,
  name: string,
  credsAuthenticator: (creds: Uint8Array) => NonNullable<NodeConnectionOptions["authenticator"]>,
): NodeConnectionOptions {
  const list = servers.split(",").map((server) => server.trim());
  for (const server of list) checkServer(server);
  const given = token ?? TOKENS.map((variable) => process.env[variable]).find((value) => value);
  const authority = ca === undefined ? undefined : readAuthority(ca);
  return {
    servers: list,
    name,
    timeout: CONNECT_MS,
    reconnectTimeWait: RECONNECT_MS,
    reconnectJitter: RECONNECT_MS / 2,
    reconnectJitterTLS: RECONNECT_MS / 2,
    maxReconnectAttempts: -1,
    // A server that restarts may refuse a client until it has read its accounts.
    ignoreAuthErrorAbort: true,
    ...(given !== undefined && { token: given }),
    ...((authority !== undefined || list.some(isSecure)) && { tls: tlsSettings(list, authority) }),
    ...(creds !== undefined && { authenticator: credsAuthenticator(readCreds(creds)) }),
  };
}

/** Returns the error of a connection that could not be made. */
export function connectError(error: unknown, { servers, creds }: NatsOptions): AppError {
  const fault = hostFault(error);
  if (fault) return fault;
  const { name, message } = error as Error;
  const where = quoted(servers);
  if (name === "AuthorizationError" || name === "UserAuthenticationExpiredError") {
    return new AppError("E_FLEET", `the NATS server at ${where} refused the credentials: ${message}`, {
      fix:
        creds === undefined ? `set ${TOKENS[0]}, or use --creds FILE` : "use the credentials of a user of that server",
      cause: error,
    });
  }
  if (error instanceof AppError) return error;
  return new AppError("E_FLEET", `no connection to NATS at ${where}: ${message}`, {
    fix: /certificate/.test(message)
      ? "use tls:// with a name or address that the certificate contains, and --nats-ca with its CA"
      : "check the address, and that the server runs: nats-server --jetstream",
    cause: error,
  });
}

/** Passwords and tokens in a URL would be visible to every user of the host. */
function checkServer(text: string): void {
  const url = parseUrl(text);
  if (!url || !["nats:", "tls:"].includes(url.protocol) || url.hostname === "") {
    throw new AppError("E_OPTION", `${quoted(text)} is not the URL of a NATS server`, {
      fix: "write it as nats://10.0.0.5:4222 or tls://nats.example.org",
    });
  }
  if (url.username !== "" || url.password !== "") {
    throw new AppError(
      "E_OPTION",
      "the URL of the NATS server contains a secret, which all users of this host can see",
      {
        fix: `set ${TOKENS[0]}, or use --creds FILE`,
      },
    );
  }
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

/** For a server that is named by its address, the client would compare the certificate with "localhost". */
function tlsSettings(servers: readonly string[], ca: string | undefined) {
  const hosts = servers.map((server) => parseUrl(server)!.hostname.replace(/^\[(.*)\]$/, "$1"));
  const addresses = hosts.filter(isIp);
  return {
    ...(ca !== undefined && { ca }),
    checkServerIdentity: (host: string, { raw }: { raw: Buffer }): Error | undefined => {
      const certificate = new X509Certificate(raw);
      if (certificate.checkHost(host) !== undefined) return undefined;
      if (host === "localhost" && addresses.some((ip) => certificate.checkIP(ip) !== undefined)) return undefined;
      return new Error(`the certificate is for ${certificate.subjectAltName ?? certificate.subject}`);
    },
  };
}

function isSecure(server: string): boolean {
  return server.startsWith("tls:");
}
