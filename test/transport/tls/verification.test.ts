// Tests which certificates each end accepts, and how each end names a rejection.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConnectOptions, ServeOptions } from "../../../src/index.js";
import { ownAddress } from "../../support/address.js";
import { Authority, type CertificateFiles } from "../../support/certificates.js";
import { explainRun } from "../../support/library.js";
import { startClient, startServer } from "../../support/peers.js";
import { within } from "../../support/until.js";

let authority: Authority;
let stranger: Authority;
let good: CertificateFiles;
const ip = ownAddress();

beforeAll(() => {
  authority = new Authority("an authority");
  stranger = new Authority("another authority");
  good = authority.issue("good", [`IP:${ip}`, "DNS:localhost"]);
});

afterAll(() => {
  authority.remove();
  stranger.remove();
});

/**
 * Connects fourtuple's client to its server.
 * @returns both results
 */
async function meet(server: Partial<ServeOptions>, client: Partial<ConnectOptions>) {
  const serving = await startServer({ at: `tls://${ip}:0`, ...server });
  const to = `tls://${ip}:${serving.address.port}`;
  const run = await startClient({ to, connections: 3, durationMs: 0, close: "fin", ...client });
  const result = await within("the end", run.done);
  return { result, served: await within("the server's end", serving.stop()) };
}

const failed = (errno: string) => ({ failed: 3, failures: [{ phase: "tls", errno, count: 3 }], tls: { secured: 0 } });

describe("a server's certificate", () => {
  it("is accepted with its authority, and its name is checked", async () => {
    const { result, served } = await meet(good, { ca: authority.ca });
    expect(result).toMatchObject({ outcome: "met", established: 3, ready: 3, tls: { secured: 3, resumed: 0 } });
    expect(result.latency.tls?.count).toBe(3);
    expect(served).toMatchObject({ accepted: 3, tls: { secured: 3 }, failures: [] });
  });

  it("is not accepted with the system's authorities, or another one", async () => {
    const { result, served } = await meet(good, {});
    expect(result).toMatchObject(failed("UNABLE_TO_GET_ISSUER_CERT_LOCALLY"));
    expect(served.failures).toEqual([{ phase: "tls", errno: "ALERT_UNKNOWN_CA", count: 3 }]);
    expect((await meet(good, { ca: stranger.ca })).result).toMatchObject({ failed: 3 });
    expect((await explainRun(result)).finding).toMatchObject({
      limit: "certificate",
      whose: "local",
      fix: expect.stringContaining("--ca"),
    });
  });

  it("that is self-signed is accepted if trusted, or without verification", async () => {
    const { result } = await meet({}, {});
    expect(result).toMatchObject(failed("DEPTH_ZERO_SELF_SIGNED_CERT"));
    expect((await explainRun(result)).finding).toMatchObject({
      limit: "certificate",
      fix: expect.stringContaining("--insecure"),
    });
    expect((await meet({}, { insecure: true })).result).toMatchObject({ outcome: "met", tls: { secured: 3 } });
  });

  it("that has expired, or is not yet valid, is rejected", async () => {
    const old = authority.issue("old", [`IP:${ip}`], ["20200101000000Z", "20210101000000Z"]);
    const { result, served } = await meet(old, { ca: authority.ca });
    expect(result).toMatchObject(failed("CERT_HAS_EXPIRED"));
    expect(served.failures).toEqual([{ phase: "tls", errno: "ALERT_CERTIFICATE_EXPIRED", count: 3 }]);
    expect((await explainRun(result)).finding).toMatchObject({ limit: "certificate", whose: "peer" });
    const future = authority.issue("future", [`IP:${ip}`], ["20900101000000Z", "20910101000000Z"]);
    expect((await meet(future, { ca: authority.ca })).result).toMatchObject(failed("CERT_NOT_YET_VALID"));
  });

  it("for another name is rejected, unless that is the requested name", async () => {
    const other = authority.issue("other", ["DNS:example.org"]);
    const { result } = await meet(other, { ca: authority.ca });
    expect(result).toMatchObject(failed("IP_ADDRESS_MISMATCH"));
    expect((await explainRun(result)).finding).toMatchObject({ limit: "certificate", whose: "peer" });
    const named = await meet(other, { ca: authority.ca, serverName: "example.org" });
    expect(named.result).toMatchObject({ outcome: "met" });
    const wrong = await meet(other, { ca: authority.ca, serverName: "example.com" });
    expect(wrong.result).toMatchObject(failed("HOSTNAME_MISMATCH"));
  });
});

describe("a client's certificate", () => {
  it("is accepted if the server requires one from its authority", async () => {
    const client = authority.issue("client", []);
    const { result, served } = await meet({ ...good, ca: authority.ca }, { ca: authority.ca, ...client });
    expect(result).toMatchObject({ outcome: "met", lost: 0 });
    expect(served.tls).toEqual({ secured: 3, resumed: 0 });
  });

  it.each(["1.2", "1.3"] as const)(
    "that is missing, or from another authority, is rejected in TLS %s",
    async (tlsVersion) => {
      const options = { ca: authority.ca, tlsVersion, durationMs: 60_000, maxFailed: 3 };
      for (const given of [{}, stranger.issue("stranger", [])]) {
        const serving = await startServer({ at: `tls://${ip}:0`, ...good, ca: authority.ca });
        const to = `tls://${ip}:${serving.address.port}`;
        // In TLS 1.3, a client learns of it after its own handshake has completed.
        const run = await startClient({ to, connections: 1, close: "fin", ...options, ...given });
        const { failures, losses } = await within("the end", run.done);
        const errnos = [...failures, ...losses].map(({ errno }) => errno);
        const missing = tlsVersion === "1.2" ? "ALERT_HANDSHAKE_FAILURE" : "ALERT_CERTIFICATE_REQUIRED";
        expect(errnos).toEqual(["cert" in given ? "ALERT_UNKNOWN_CA" : missing]);
        expect((await within("the server's end", serving.stop())).failures).toMatchObject([{ phase: "tls", count: 1 }]);
      }
    },
  );
});

describe("TLS options", () => {
  it("are rejected without TLS, and if they contradict each other", async () => {
    const to = `${ip}:1`;
    await expect(startClient({ to, insecure: true })).rejects.toThrow("--insecure requires TLS");
    await expect(startServer({ at: `${ip}:0`, cert: good.cert })).rejects.toThrow("--cert requires TLS");
    await expect(startClient({ to: `tls://${to}`, key: good.key })).rejects.toThrow("--key requires --cert");
    await expect(startClient({ to: `tls://${to}`, insecure: true, ca: good.cert })).rejects.toThrow(
      "--ca cannot be combined with --insecure",
    );
    await expect(startServer({ at: `tls://${ip}:0`, cert: "/none.pem" })).rejects.toThrow(
      "no certificate could be read",
    );
  });

  it("read the key from the certificate's file", async () => {
    const both = authority.issue("both", [`IP:${ip}`]);
    const { writeFileSync } = await import("node:fs");
    writeFileSync(both.cert, readFileSync(both.cert, "utf8") + readFileSync(both.key, "utf8"));
    expect((await meet({ cert: both.cert }, { ca: authority.ca })).result).toMatchObject({ outcome: "met" });
  });
});
