// What a run is told of TLS, as plain data that goes to its workers.

/** The versions of TLS that there are. */
export const TLS_VERSIONS = ["1.2", "1.3"] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** A certificate with its key as PEM. */
export interface PemIdentity {
  readonly certificate: string;
  readonly key: string;
}

/** What both roles can be told. */
export interface TlsSettings {
  /** File of certificates (PEM) that peers' certificates are checked against; by default a client has the system's, a server checks none. */
  readonly ca: string | undefined;
  /** The own certificate with its chain, and its key: files (PEM). */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Instead of files. */
  readonly identity: PemIdentity | undefined;
  /** The only version that is spoken; by default 1.2 and 1.3. */
  readonly version: TlsVersion | undefined;
  /** OpenSSL's cipher list: names of TLS 1.3 begin with TLS_. */
  readonly ciphers: string | undefined;
  /** Protocols of the layer above, the preferred first. */
  readonly alpn: readonly string[];
  /** A client's: the server's certificate is not checked. */
  readonly insecure: boolean;
  /**
   * A server's: 80 random bytes that seal its session tickets, the same in all workers; it gives none without. A client of OpenSSL 3.0 keeps
   * 16 KiB for as long as it lives once it has got one.
   */
  readonly ticketKeys: Uint8Array | undefined;
}
