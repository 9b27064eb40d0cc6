// Tests the names of TLS failures by OpenSSL 3's numbers.
import { describe, expect, it } from "vitest";
import { isTlsCode, TLS_ALERT, TLS_CERTIFICATE, TLS_REASON, tlsCodeName } from "../../../src/linux/openssl/codes.js";

describe("the code of a TLS failure", () => {
  it.each([
    [TLS_ALERT + 40, "ALERT_HANDSHAKE_FAILURE"],
    [TLS_ALERT + 120, "ALERT_NO_APPLICATION_PROTOCOL"],
    [TLS_ALERT + 99, "ALERT_99"],
    [TLS_CERTIFICATE + 10, "CERT_HAS_EXPIRED"],
    [TLS_CERTIFICATE + 62, "HOSTNAME_MISMATCH"],
    [TLS_CERTIFICATE + 94, "X509_94"],
    [TLS_REASON + 267, "WRONG_VERSION_NUMBER"],
    [TLS_REASON + 1, "TLS_1"],
  ])("%i is %s", (code, name) => {
    expect(isTlsCode(code)).toBe(true);
    expect(tlsCodeName(code)).toBe(name);
  });

  it("is not an errno", () => {
    expect([0, 110, 133].some(isTlsCode)).toBe(false);
  });
});
