// ALPN (RFC 7301): encodes protocol names, and selects one of the names that a client offers.

import { type Call, nativeView } from "../syscalls/libc.js";
import { SSL_TLSEXT_ERR_ALERT_FATAL, SSL_TLSEXT_ERR_OK } from "./constants.js";

const PROTOTYPE =
  "int select_alpn(uintptr_t ssl, uintptr_t out, uintptr_t out_length, uintptr_t offered, unsigned int length, uintptr_t argument)";

/** Encodes names, each preceded by its length. */
export function encodeAlpn(names: readonly string[]): Uint8Array {
  return Buffer.concat(names.map((name) => Buffer.from([name.length, ...Buffer.from(name, "latin1")])));
}

/** Returns the index in `offered` of the most preferred name, or -1 if none is offered. */
export function selectAlpn(preferred: readonly string[], offered: Uint8Array): number {
  const bytes = Buffer.from(offered.buffer, offered.byteOffset, offered.length);
  for (const name of preferred) {
    for (let at = 0; at < bytes.length; at += 1 + bytes[at]!) {
      if (bytes.toString("latin1", at + 1, at + 1 + bytes[at]!) === name) return at;
    }
  }
  return -1;
}

/**
 * Returns the arguments for SSL_CTX_set_alpn_select_cb(): prototype and callback. If client and server have no protocol
 * in common, the client gets an alert.
 */
export function alpnSelector(preferred: readonly string[]): [prototype: string, callback: Call] {
  const select: Call = (_ssl, out, outLength, offered, length) => {
    const bytes = new Uint8Array(nativeView(offered!, length!));
    const at = selectAlpn(preferred, bytes);
    if (at < 0) return SSL_TLSEXT_ERR_ALERT_FATAL;
    new BigUint64Array(nativeView(out!, 8))[0] = BigInt(offered! + at + 1);
    new Uint8Array(nativeView(outLength!, 1))[0] = bytes[at]!;
    return SSL_TLSEXT_ERR_OK;
  };
  return [PROTOTYPE, select];
}
