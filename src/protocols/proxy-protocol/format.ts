// The format of the PROXY protocol header, versions 1 and 2: a connection's source and destination, sent before any
// other data. Servers behind a load balancer read it (haproxy accept-proxy, nginx proxy_protocol). @see
// https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt

export const PROXY_VERSIONS = ["v1", "v2"] as const;
export type ProxyVersion = (typeof PROXY_VERSIONS)[number];

/** Start of a version 1 header, which is a line of text. */
export const V1_PREFIX = Uint8Array.of(0x50, 0x52, 0x4f, 0x58, 0x59, 0x20);
/** Maximum length of a version 1 header, including CRLF. */
export const V1_LENGTH = 107;

/** Start of a header of version 2. */
export const V2_SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** Length of the part before the addresses: signature, command, family and length. */
export const V2_FIXED_LENGTH = 16;

/** Version 2 in the upper four bits, and a command in the lower ones. */
export const V2_COMMAND = { local: 0x20, proxy: 0x21 } as const;
/** Address family in the upper four bits, and TCP in the lower ones. */
export const V2_FAMILY = { tcp4: 0x11, tcp6: 0x21 } as const;

/** Returns whether bytes `start` to `end` begin with a header of either version. */
export function startsWithProxyHeader(bytes: Uint8Array, start: number, end: number): boolean {
  const prefix = bytes[start] === V2_SIGNATURE[0] ? V2_SIGNATURE : V1_PREFIX;
  return end - start >= prefix.length && matches(bytes, start, prefix, prefix.length);
}

/** Returns whether the `length` bytes at `start` are those at the start of `prefix`. */
export function matches(bytes: Uint8Array, start: number, prefix: Uint8Array, length: number): boolean {
  for (let n = 0; n < length; n++) if (bytes[start + n] !== prefix[n]) return false;
  return true;
}
