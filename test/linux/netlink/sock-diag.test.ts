import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DiagDump, diagLocalPort, diagRemotePort, encodeDiagRequest } from "../../../src/linux/netlink/sock-diag.js";
import { TCP_LISTEN } from "../../../src/linux/syscalls/constants.js";
import { ownAddress, ownPort } from "../../support/address.js";

// The request that `ss -Htn state established` sends (iproute2 6.1, captured with strace), without its sequence number.
const SS_REQUEST = `48000000 14000103 00000000 00000000 02060000 02000000 ${"00".repeat(48)}`.replaceAll(" ", "");

describe("the request", () => {
  it("is byte for byte what ss sends", () => {
    expect(encodeDiagRequest({ family: 4, states: 1 << 1 }).toString("hex")).toBe(SS_REQUEST);
    const v6 = encodeDiagRequest({ family: 6, states: 1 << 1 }).toString("hex");
    expect(v6).toBe(SS_REQUEST.replace("02060000", "0a060000"));
  });

  it("has its ports in network byte order", () => {
    const bytes = encodeDiagRequest({ family: 4, states: 0x7ff, localPort: 7777, remotePort: 258 });
    expect(bytes.toString("hex", 16, 28)).toBe("02060000ff0700001e610102");
  });

  it("accepts all 32 states", () => {
    expect(encodeDiagRequest({ family: 4, states: -1 }).toString("hex", 20, 24)).toBe("ffffffff");
  });
});

describe("a dump", () => {
  const ip = ownAddress();
  let server: Server;
  let port = 0;

  beforeAll(async () => {
    // A port reserved for this test. One that the kernel chooses could also be another program's source port in
    // SYN_SENT.
    port = ownPort();
    server = createServer().listen(port, ip);
    await once(server, "listening");
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it("finds a listening socket by port, filtered by the kernel", () => {
    const dump = new DiagDump({ family: 4, states: 1 << TCP_LISTEN, localPort: port });
    const seen: [number, number, string][] = [];
    while (
      dump.next((at) =>
        seen.push([
          diagLocalPort(dump.bytes, at),
          diagRemotePort(dump.bytes, at),
          dump.bytes.toString("hex", at + 8, at + 12),
        ]),
      )
    );
    dump.close();
    expect(dump.error).toBe(0);
    const own = ip
      .split(".")
      .map((part) => Number(part).toString(16).padStart(2, "0"))
      .join("");
    expect(seen).toContainEqual([port, 0, own]);
    for (const [local] of seen) expect(local).toBe(port);
  });

  it("is empty for a state without sockets on the port", () => {
    const dump = new DiagDump({ family: 4, states: 1 << 2, localPort: port });
    let count = 0;
    while (dump.next(() => count++));
    dump.close();
    expect([count, dump.error]).toEqual([0, 0]);
  });
});
