// Tests the connector on a plan of tuples: which 4-tuple comes next, and which skipped ones remain.
import { expect, it, onTestFinished } from "vitest";
import { TupleCursor } from "../../../src/client/tuple-cursor.js";
import { type ConnectPlan, SHARED } from "../../../src/client/worker-plan.js";
import { closeFd, localAddress } from "../../../src/linux/syscalls/socket.js";
import { Connector } from "../../../src/transport/kernel-epoll/connector.js";
import { parseIp } from "../../../src/util/address.js";
import { ownAddress, ownPorts } from "../../support/address.js";
import { countDescriptors } from "../../support/kernel.js";
import { startServer } from "../../support/peers.js";
import { listenRaw } from "../../support/raw-sockets.js";

/** Opens sockets on the tuples of a plan, in slot 0. */
function opening(plan: Partial<ConnectPlan>) {
  const tuples = new TupleCursor(plan as ConnectPlan, 1);
  const connector = new Connector(tuples);
  return { tuples, open: () => connector.open(0) };
}

function openerOver(to: { ip: string; port: number }, from: string, range: { first: number; last: number }) {
  const shared = new SharedArrayBuffer(SHARED.words * 4);
  return opening({
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
  });
}

it("keeps no descriptor of a port that it skips", async () => {
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
  expect(opener.tuples.skipped).toBe(range.last - range.first);
  expect(countDescriptors()).toBe(before + 1);
});

it("keeps no descriptor of a 4-tuple that already exists", async () => {
  const { address } = await startServer();
  const [from, range] = [ownAddress(), ownPorts(11)];
  const earlier = openerOver(address, from, { first: range.first, last: range.last - 1 });
  const fds = Array.from({ length: 10 }, () => earlier.open());
  const before = countDescriptors();
  const opener = openerOver(address, from, range);
  fds.push(opener.open());
  onTestFinished(() => fds.forEach(closeFd));
  expect(fds.every((fd) => fd > 0)).toBe(true);
  expect([localAddress(fds.at(-1)!).port, opener.tuples.skipped]).toEqual([range.last, 10]);
  expect(countDescriptors()).toBe(before + 1);
});

it("continues after the counter of tuples has passed 31 and 32 bits", async () => {
  const { address } = await startServer();
  const range = ownPorts(50);
  const source = { first: parseIp(ownAddress()), count: 1 };
  const shared = new SharedArrayBuffer(SHARED.words * 4);
  const opener = opening({
    tuples: {
      groups: [{ sources: [source], destinations: [{ ip: parseIp(address.ip), port: address.port }] }],
      ports: { chosenBy: "us", range, startAt: range.first },
    },
    reusesTuples: true,
    shared,
  });
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
