// Tests the end of a packet server's device: while its threads start, and when they end.
import { describe, expect, it, onTestFinished } from "vitest";
import { ECANCELED, ENOMEM } from "../../../src/linux/syscalls/errno.js";
import { openEventfd } from "../../../src/linux/syscalls/eventfd.js";
import { closeFd } from "../../../src/linux/syscalls/socket.js";
import { openPacketListener } from "../../../src/server/listening/packet-listener.js";
import type { ServerHandler } from "../../../src/transport/contract.js";
import { allocateCounts, readCounts } from "../../../src/transport/packet/counts.js";
import type { PacketDevice } from "../../../src/transport/packet/devices/device.js";
import { openDevice } from "../../../src/transport/packet/devices/open-device.js";
import { cancelOpening, planSharedTun } from "../../../src/transport/packet/devices/shared-tun.js";
import { PacketServer } from "../../../src/transport/packet/server.js";
import { parseIp } from "../../../src/util/address.js";
import { canMakeNamespaces } from "../../support/namespace.js";
import { inNamespace } from "../../support/packet-runs.js";

const ADDRESS = parseIp("10.65.0.1");
/** Place of the number of threads that have a queue. */
const USERS = 2;

function planFor(mtu: number) {
  return { routes: [{ first: ADDRESS, bits: 32 }], mtu, txQueueLength: 100, shared: planSharedTun(2) };
}

function wakeUp(): number {
  const fd = openEventfd();
  onTestFinished(() => void closeFd(fd));
  return fd;
}

describe.skipIf(!canMakeNamespaces())("a device that threads share", () => {
  it("is left at once by one that cannot use its queue", () => {
    inNamespace();
    const plan = planFor(9000);
    // Another thread has its queue, and will end only when it is told to.
    Atomics.add(new Int32Array(plan.shared.memory), USERS, 1);
    const beganMs = performance.now();
    expect(openDevice(plan, true, wakeUp())).toBe(-ENOMEM);
    expect(performance.now() - beganMs).toBeLessThan(25_000);
  });

  it("does not make them wait for one that has failed before", () => {
    inNamespace();
    const plan = planFor(1500);
    cancelOpening(plan.shared);
    expect(openDevice(plan, false, wakeUp())).toBe(-ECANCELED);
  });

  it("has no more queues than the kernel allows", async () => {
    inNamespace();
    const at = { host: "10.65.0.1", ports: { first: 7777, last: 7777 } };
    const { fd, packets } = await openPacketListener(at, 16, 1024, () => undefined, false);
    onTestFinished(() => void closeFd(fd));
    expect(packets).toHaveLength(256);
    expect(packets![0]!.device.shared!.queues).toBe(256);
  });
});

it("reports the packets that its device has dropped before it closed its connections", () => {
  let dropped = 7;
  const device: PacketDevice = {
    mtu: 1500,
    completesChecksums: true,
    tx: new Uint8Array(4096),
    isGone: false,
    frame: () => 16,
    push: () => undefined,
    flush: () => {
      // Peers send resets, too, which nobody reads.
      dropped = 100;
    },
    wait: () => undefined,
    receive: () => false,
    drops: () => dropped,
    close: () => {
      dropped = 0;
    },
  };
  const counts = allocateCounts();
  const server = new PacketServer({
    handler: {} as ServerHandler,
    budget: { readBytes: 4096, reads: 1, connectionBytes: 4096, sendBytes: 4096, resumed: 1, accepts: 1 },
    slots: 16,
    backlog: 16,
    device,
    listener: { addresses: { first: ADDRESS, count: 1 }, port: 7777 },
    counts,
  });
  server.closeAll(true, () => false);
  server.dispose();
  expect(readCounts([counts])).toMatchObject({ deviceDrops: 7 });
});
