// Tests the PROXY protocol header against its specification.
import { describe, expect, it } from "vitest";
import type { ProxyVersion } from "../../../src/protocols/proxy-protocol/format.js";
import { PROXY_HEADER_SIZE, writeProxyHeader } from "../../../src/protocols/proxy-protocol/writer.js";
import { parseIp } from "../../../src/util/address.js";

function header(version: ProxyVersion, source: [string, number], destination: [string, number]): Buffer {
  const bytes = Buffer.alloc(PROXY_HEADER_SIZE);
  const end = ([ip, port]: [string, number]) => ({ ip: parseIp(ip), port });
  return bytes.subarray(0, writeProxyHeader(bytes, version, end(source), end(destination)));
}

describe("the PROXY header", () => {
  it("in version 1 is a line of text", () => {
    expect(header("v1", ["192.0.2.1", 1024], ["192.0.2.33", 80]).toString()).toBe(
      "PROXY TCP4 192.0.2.1 192.0.2.33 1024 80\r\n",
    );
    const long = "ffff:1fff:2fff:3fff:4fff:5fff:6fff:7fff";
    expect(header("v1", [long, 65_535], [long, 65_535]).toString()).toBe(`PROXY TCP6 ${long} ${long} 65535 65535\r\n`);
  });

  it("in version 2 is binary", () => {
    const signature = "0d0a0d0a000d0a515549540a";
    expect(header("v2", ["10.0.0.1", 4660], ["10.0.0.2", 443]).toString("hex")).toBe(
      `${signature}2111000c0a0000010a000002123401bb`,
    );
    expect(header("v2", ["::1", 4660], ["::1", 443]).toString("hex")).toBe(
      `${signature}21210024${`${"00".repeat(15)}01`.repeat(2)}123401bb`,
    );
  });
});
