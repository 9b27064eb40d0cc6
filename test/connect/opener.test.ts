// The opener by itself: which 4-tuple comes next.
import { expect, it, onTestFinished } from "vitest";
import { parseIp } from "../../src/base/address.js";
import { Opener } from "../../src/connect/opener.js";
import { type ConnectPlan, SHARED } from "../../src/connect/protocol.js";
import { closeFd, localAddress } from "../../src/sys/socket.js";
import { ownAddress, ownPorts } from "../support/address.js";
import { startServer } from "../support/peers.js";

it("goes on when connections were opened and closed until the count of tuples taken went past 31 and 32 bits", async () => {
  const { address } = await startServer();
  const range = ownPorts(50);
  const source = { first: parseIp(ownAddress()), count: 1 };
  const shared = new SharedArrayBuffer(SHARED.words * 4);
  const opener = new Opener({
    tuples: {
      groups: [{ sources: [source], destinations: [{ ip: parseIp(address.ip), port: address.port }] }],
      ports: { chosenBy: "us", range, startAt: range.first },
    },
    reusesTuples: true,
    shared,
  } as unknown as ConnectPlan);
  const next = (): number => {
    const fd = opener.open();
    expect(fd).toBeGreaterThan(0);
    onTestFinished(() => {
      closeFd(fd);
    });
    return localAddress(fd).port;
  };
  for (const taken of [2 ** 31 - 1, 2 ** 32 - 1]) {
    new Uint32Array(shared)[SHARED.cursor] = taken;
    const ports = [next(), next()];
    expect(ports[0]).toBe(range.first + (taken % 50));
    expect(ports[1]).toBe(range.first + (((taken + 1) % 2 ** 32) % 50));
  }
});
