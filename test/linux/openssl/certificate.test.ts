// Tests certificates that OpenSSL creates and reads in this process, compared with the output of the openssl program.
import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { fingerprintOf, selfSignedIdentity } from "../../../src/linux/openssl/certificate.js";
import { clientContext, freeContext, serverContext } from "../../../src/linux/openssl/context.js";
import type { TlsSettings } from "../../../src/linux/openssl/settings.js";
import { AppError } from "../../../src/util/errors.js";

const SETTINGS: TlsSettings = {
  ...{ ca: undefined, cert: undefined, key: undefined, identity: undefined, version: undefined, ciphers: undefined },
  ...{ alpn: [], insecure: true, ticketKeys: undefined },
};

function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "fourtuple-certificate-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

describe("a self-signed certificate", () => {
  it("names its hosts, and is its own authority", () => {
    const { certificate, key } = selfSignedIdentity(["DNS:localhost", "IP:127.0.0.1"]);
    const read = new X509Certificate(certificate);
    expect(read.subjectAltName).toBe("DNS:localhost, IP Address:127.0.0.1");
    expect(read.checkIssued(read) && read.verify(read.publicKey)).toBe(true);
    expect(Date.parse(read.validFrom)).toBeLessThan(Date.now());
    expect(Date.parse(read.validTo)).toBeGreaterThan(Date.now() + 29 * 86_400_000);
    expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });

  it("has the fingerprint that openssl prints, from memory and from files", () => {
    const identity = selfSignedIdentity(["DNS:localhost"]);
    const path = folder({ "cert.pem": identity.certificate, "key.pem": identity.key });
    const cert = join(path, "cert.pem");
    const printed = execFileSync("openssl", ["x509", "-in", cert, "-noout", "-fingerprint", "-sha256"], {
      encoding: "utf8",
    });
    const fingerprints = [{ identity }, { cert, key: join(path, "key.pem") }].map((given) => {
      const context = serverContext({ ...SETTINGS, ...given });
      const fingerprint = fingerprintOf(context);
      freeContext(context);
      return fingerprint;
    });
    expect(fingerprints).toEqual(Array(2).fill(printed.trim().split("=")[1]));
  });
});

describe("a context", () => {
  const refuses = (settings: Partial<TlsSettings>) => {
    try {
      freeContext(clientContext({ ...SETTINGS, ...settings }));
      return "made";
    } catch (error) {
      return error instanceof AppError ? `${error.code}: ${error.message}` : String(error);
    }
  };

  it("is rejected if its files are missing or contain something else", () => {
    const path = folder({ "text.pem": "nothing of the kind" });
    const text = join(path, "text.pem");
    expect(refuses({ cert: join(path, "none.pem") })).toMatch(/^E_OPTION: --cert: no certificate could be read/);
    expect(refuses({ cert: text })).toMatch(/^E_OPTION: --cert: no certificate could be read/);
    expect(refuses({ ca: text, insecure: false })).toMatch(/^E_OPTION: --ca: no certificates could be read/);
  });

  it("is rejected with another certificate's key", () => {
    const [one, other] = [selfSignedIdentity(["DNS:one"]), selfSignedIdentity(["DNS:other"])];
    const path = folder({ "cert.pem": one.certificate, "key.pem": other.key });
    expect(refuses({ cert: join(path, "cert.pem"), key: join(path, "key.pem") })).toMatch(/^E_OPTION: --key: /);
  });

  it.each([
    ["PKCS 8", ["pkey", "-aes256"]],
    ["the traditional format", ["ec", "-aes256"]],
  ])("is rejected with an encrypted key in %s, without asking for its passphrase", (_, command) => {
    const { certificate, key } = selfSignedIdentity(["DNS:one"]);
    const path = folder({ "cert.pem": certificate, "plain.pem": key });
    const files = ["-in", join(path, "plain.pem"), "-out", join(path, "key.pem"), "-passout", "pass:secret"];
    expect(spawnSync("openssl", [...command, ...files]).status).toBe(0);
    const refused = refuses({ cert: join(path, "cert.pem"), key: join(path, "key.pem") });
    expect(refused).toMatch(/^E_OPTION: --key: the key in .* is encrypted/);
  });

  it("accepts TLS 1.2 and 1.3 ciphers by name, and no unknown ones", () => {
    expect(refuses({ ciphers: "TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256" })).toBe("made");
    expect(refuses({ ciphers: "ROT13" })).toMatch(/^E_OPTION: --ciphers: /);
  });
});
