// TLS settings of a run, as plain data for its workers.

import type { TLS_VERSIONS } from "../../results/identifiers.js";

export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** A certificate and its key in PEM. */
export interface PemIdentity {
  readonly certificate: string;
  readonly key: string;
}

/** Settings for either role. */
export interface TlsSettings {
  /**
   * File with the CA certificates (PEM) for verifying peers. By default, a client uses the system's CA certificates,
   * and a server does not verify peers.
   */
  readonly ca: string | undefined;
  /** Files (PEM) with this side's certificate chain and key. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Alternative to files. */
  readonly identity: PemIdentity | undefined;
  /** The only permitted TLS version; by default, 1.2 and 1.3 are permitted. */
  readonly version: TlsVersion | undefined;
  /** OpenSSL cipher list. Names for TLS 1.3 begin with TLS_. */
  readonly ciphers: string | undefined;
  /** ALPN protocols, most preferred first. */
  readonly alpn: readonly string[];
  /** Client only: whether to skip verification of the server's certificate. */
  readonly insecure: boolean;
  /**
   * Server only: 80 random bytes that seal session tickets, the same in all workers. Without these bytes, no tickets
   * are issued. An OpenSSL 3.0 client uses 16 KiB per connection for its lifetime once it has received a ticket.
   */
  readonly ticketKeys: Uint8Array | undefined;
}
