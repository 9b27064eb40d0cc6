// Tests the fields of the port map: which addresses get one, and how wildcard listeners are shown.
import { describe, expect, it } from "vitest";
import { PORT_ROLE, portFields } from "../../../src/socket-table/ports/ports-in-use.js";
import { parseIp } from "../../../src/util/address.js";
import { canMakeNamespaces, enterNamespace } from "../../support/namespace.js";
import { connectRaw, listenRaw } from "../../support/raw-sockets.js";

describe.skipIf(!canMakeNamespaces())("the fields of a namespace", () => {
  it("are those of the addresses with the most sockets, however many there are", async () => {
    enterNamespace();
    listenRaw("127.0.0.1", 1001);
    for (let i = 0; i < 300; i++) connectRaw("127.0.0.1", 1001, { ip: `127.1.${i >> 8}.${i & 255}` });
    for (let i = 0; i < 40; i++) connectRaw("127.0.0.1", 1001, { ip: "127.9.9.9" });
    for (const source of ["sock_diag", "/proc/net/tcp"] as const) {
      const { fields, omittedAddresses } = await portFields({ source, limit: 4 });
      expect(fields.map(({ ip, socketCount }) => `${ip} ${socketCount}`)).toEqual([
        "127.0.0.1 341",
        "127.9.9.9 40",
        "127.1.0.0 1",
        "127.1.0.1 1",
      ]);
      expect(omittedAddresses).toBe(298);
      expect([fields[0]!.acceptedPorts, fields[1]!.connectedPorts]).toEqual([1, 40]);
    }
    const { fields, omittedAddresses } = await portFields({ limit: 400 });
    expect([fields.length, omittedAddresses]).toEqual([302, 0]);
    const requested = await portFields({ addresses: ["127.1.1.43", "10.0.0.1", "127.9.9.9"].map(parseIp) });
    expect(requested.fields.map(({ ip, socketCount }) => [ip, socketCount])).toEqual([
      ["127.1.1.43", 1],
      ["10.0.0.1", 0],
      ["127.9.9.9", 40],
    ]);
    expect(requested.omittedAddresses).toBe(300);
  });

  it("show wildcard listeners at each address, or separately if there is none", async () => {
    enterNamespace();
    expect((await portFields()).fields).toEqual([]);
    listenRaw("0.0.0.0", 1001);
    listenRaw("::", 1002);
    const listening = async () =>
      (await portFields()).fields.map(({ ip, roles }) => {
        const ports = [...roles.keys()].filter((port) => roles[port] === PORT_ROLE.listening);
        return `${ip} ${ports.join(" ")}`;
      });
    expect(await listening()).toEqual(["0.0.0.0 1001", ":: 1002"]);
    listenRaw("127.0.0.1", 1003);
    expect(await listening()).toEqual(["127.0.0.1 1001 1002 1003"]);
    listenRaw("::", 1004, { isV6Only: true });
    expect(await listening()).toEqual(["127.0.0.1 1001 1002 1003", ":: 1002 1004"]);
    listenRaw("::1", 1005);
    expect(await listening()).toEqual(["127.0.0.1 1001 1002 1003", "::1 1002 1004 1005"]);
  });
});
