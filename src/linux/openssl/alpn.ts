// ALPN (RFC 7301): protocol names as they go over the wire, and a server's choice among those that a client offers.

import { type Call, nativeView } from "../syscalls/libc.js";
import { SSL_TLSEXT_ERR_ALERT_FATAL, SSL_TLSEXT_ERR_OK } from "./constants.js";

const PROTOTYPE =
  "int select_alpn(uintptr_t ssl, uintptr_t out, uintptr_t out_length, uintptr_t offered, unsigned int length, uintptr_t argument)";

/** Each name behind a byte with its length. */
export function encodeAlpn(names: readonly string[]): Uint8Array {
  return Buffer.concat(names.map((name) => Buffer.from([name.length, ...Buffer.from(name, "latin1")])));
}

/** The place in `offered` of the name that is preferred most, or -1 when none of them is there. */
export function selectAlpn(preferred: readonly string[], offered: Uint8Array): number {
  const bytes = Buffer.from(offered.buffer, offered.byteOffset, offered.length);
  for (const name of preferred) {
    for (let at = 0; at < bytes.length; at += 1 + bytes[at]!) {
      if (bytes.toString("latin1", at + 1, at + 1 + bytes[at]!) === name) return at;
    }
  }
  return -1;
}

/** What SSL_CTX_set_alpn_select_cb() takes: the prototype and the callback. A client that offers nothing of ours gets an alert. */
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
