// The opener by itself: which 4-tuple comes next.
import { describe, expect, it, onTestFinished } from "vitest";
import { Opener } from "../../src/client/opener.js";
import { settleOptions } from "../../src/client/options.js";
import { planPorts } from "../../src/client/targets.js";
import { type ConnectPlan, SHARED } from "../../src/client/worker-plan.js";
import { readLocalPortRange } from "../../src/linux/proc/local-ports.js";
import { closeFd, localAddress } from "../../src/linux/syscalls/socket.js";
import { TuplePlanner } from "../../src/planning/tuple-plan.js";
import { parseIp } from "../../src/util/address.js";
import { ownAddress, ownPorts } from "../support/address.js";
import { countDescriptors } from "../support/kernel.js";
import { startServer } from "../support/peers.js";
import { listenRaw } from "../support/raw-sockets.js";

function openerOver(to: { ip: string; port: number }, from: string, range: { first: number; last: number }) {
  const shared = new SharedArrayBuffer(SHARED.words * 4);
  return new Opener({
    tuples: {
      groups: [
        {
          sources: [{ first: parseIp(from), count: 1 }],
          destinations: [{ ip: parseIp(to.ip), port: to.port }],
        },
      ],
      ports: { chosenBy: "us", range, startAt: range.first },
    },
    reusesTuples: false,
    shared,
  } as unknown as ConnectPlan);
}

it("keeps no descriptor of a port that it passes over", async () => {
  const { address } = await startServer();
  const [from, range] = [ownAddress(), ownPorts(40)];
  for (let port = range.first; port < range.last; port++) listenRaw(from, port);
  const opener = openerOver(address, from, range);
  const before = countDescriptors();
  const fd = opener.open();
  onTestFinished(() => {
    closeFd(fd);
  });
  expect(fd).toBeGreaterThan(0);
  expect(opener.skipped).toBe(range.last - range.first);
  expect(countDescriptors()).toBe(before + 1);
});

it("keeps no descriptor of a 4-tuple that exists already", async () => {
  const { address } = await startServer();
  const [from, range] = [ownAddress(), ownPorts(11)];
  const earlier = openerOver(address, from, { first: range.first, last: range.last - 1 });
  const fds = Array.from({ length: 10 }, () => earlier.open());
  const before = countDescriptors();
  const opener = openerOver(address, from, range);
  fds.push(opener.open());
  onTestFinished(() => fds.forEach(closeFd));
  expect(fds.every((fd) => fd > 0)).toBe(true);
  expect([localAddress(fds.at(-1)!).port, opener.skipped]).toEqual([range.last, 10]);
  expect(countDescriptors()).toBe(before + 1);
});

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

describe("a rerun", () => {
  const portsOf = (sourcePorts?: { first: number; last: number }): number[] => {
    const settings = settleOptions({ to: "127.0.0.1:7777", connections: 200, sourcePorts });
    const planner = new TuplePlanner({
      groups: [
        {
          sources: [{ first: parseIp("127.0.0.1"), count: 1 }],
          destinations: [{ ip: parseIp("127.0.0.1"), port: 7777 }],
        },
      ],
      ports: planPorts(settings),
    });
    return Array.from({ length: planner.count }, (_, index) => planner.at(index).sourcePort);
  };

  it("does not begin at the 4-tuples of the last run, yet with the ephemeral ports, each before any other", () => {
    const starts = Array.from({ length: 8 }, () => portsOf()[0]!);
    expect(new Set(starts).size).toBeGreaterThan(1);
    const { first, last } = readLocalPortRange()!;
    const ports = portsOf();
    const ephemeral = ports.slice(0, last - first + 1).sort((a, b) => a - b);
    expect([ephemeral[0], ephemeral.at(-1)]).toEqual([first, last]);
    expect(new Set(ports).size).toBe(64_512);
  });

  it("has exactly the ports of a given range, wherever it begins", () => {
    const orders = Array.from({ length: 8 }, () => portsOf({ first: 20_000, last: 20_299 }));
    expect(new Set(orders.map(([port]) => port)).size).toBeGreaterThan(1);
    for (const order of orders) {
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => 20_000 + index));
    }
  });
});
