// Tests the connector when the kernel refuses a socket.
import { expect, it, onTestFinished, vi } from "vitest";
import { TupleCursor } from "../../../src/client/tuple-cursor.js";
import { type ConnectPlan, SHARED } from "../../../src/client/worker-plan.js";
import { EADDRNOTAVAIL, EMFILE } from "../../../src/linux/syscalls/errno.js";
import { closeFd, localAddress } from "../../../src/linux/syscalls/socket.js";
import { Connector } from "../../../src/transport/kernel-epoll/connector.js";
import { parseIp } from "../../../src/util/address.js";
import { STEP } from "../../../src/util/steps.js";
import { ownAddress, ownPorts } from "../../support/address.js";
import { startServer } from "../../support/peers.js";

const sockets = vi.hoisted(() => ({ error: 0 }));
vi.mock("../../../src/linux/syscalls/socket.js", async (original) => {
  const real = await original<typeof import("../../../src/linux/syscalls/socket.js")>();
  return { ...real, openTcp: (family: 4 | 6) => (sockets.error === 0 ? real.openTcp(family) : sockets.error) };
});

it("loses no 4-tuple for lack of a socket: the next connection uses it", async () => {
  const { address } = await startServer();
  const range = ownPorts(3);
  const plan = {
    tuples: {
      groups: [
        {
          sources: [{ first: parseIp(ownAddress()), count: 1 }],
          destinations: [{ ip: parseIp(address.ip), port: address.port }],
        },
      ],
      ports: { chosenBy: "us", range, startAt: range.first },
    },
    reusesTuples: false,
    shared: new SharedArrayBuffer(SHARED.words * 4),
  } as unknown as ConnectPlan;
  const connector = new Connector(new TupleCursor(plan, 1));
  const opener = { open: () => connector.open(0) };
  const ports: number[] = [];
  for (let n = 0; n < 3; n++) {
    // Fail twice, as if making room had failed.
    for (let failure = 0; failure < 2; failure++) {
      sockets.error = -EMFILE;
      expect([opener.open(), connector.failedStep]).toEqual([-EMFILE, STEP.socket]);
    }
    sockets.error = 0;
    const fd = opener.open();
    expect(fd).toBeGreaterThan(0);
    onTestFinished(() => {
      closeFd(fd);
    });
    ports.push(localAddress(fd).port);
  }
  expect(ports).toEqual([range.first, range.first + 1, range.first + 2]);
  expect([opener.open(), connector.failedStep]).toEqual([-EADDRNOTAVAIL, STEP.bind]);
});
