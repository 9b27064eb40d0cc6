import { afterEach, describe, expect, it } from "vitest";
import { countOpenDescriptors } from "../../../src/linux/proc/procfs.js";
import { EAGAIN, ECONNRESET } from "../../../src/linux/syscalls/errno.js";
import { NativeBuffer } from "../../../src/linux/syscalls/libc.js";
import { SocketAddress } from "../../../src/linux/syscalls/sockaddr.js";
import {
  acceptFrom,
  bindTo,
  closeFd,
  connectTo,
  listenOn,
  localAddress,
  openTcp,
  receive,
  sendBytes,
} from "../../../src/linux/syscalls/socket.js";
import { canRegisterFiles } from "../../../src/linux/uring/registered-files.js";
import { ConnectionTable, type ConnectionTableOptions } from "../../../src/transport/kernel-epoll/connection-table.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { parseIp } from "../../../src/util/address.js";
import { ownAddress } from "../../support/address.js";
import { until } from "../../support/until.js";

const OPEN = 1;
const BUSY = 2;
const canPark = canRegisterFiles();
if (!canPark) console.warn("skipped: io_uring is not to be had here, so nothing can be parked");

const opened: number[] = [];
afterEach(() => {
  for (const fd of opened.splice(0)) closeFd(fd);
});

/** Returns pairs of connected sockets: the table closes the near ends; the far ends are closed after the test. */
async function connectPairs(count: number): Promise<{ near: number; far: number }[]> {
  const at = parseIp(ownAddress());
  const listener = openTcp(4);
  opened.push(listener);
  bindTo(listener, new SocketAddress(at, 0));
  listenOn(listener, count);
  const address = new SocketAddress(at, localAddress(listener).port);
  const pairs: { near: number; far: number }[] = [];
  for (let n = 0; n < count; n++) {
    const near = openTcp(4);
    connectTo(near, address);
    const far = await until(
      "a connection to accept",
      () => acceptFrom(listener),
      (fd) => fd >= 0,
    );
    opened.push(far);
    pairs.push({ near, far });
  }
  return pairs;
}

const makeTable = (options: Partial<ConnectionTableOptions> = {}) =>
  new ConnectionTable({
    slots: 4,
    parks: true,
    parkable: OPEN,
    stateMask: 3,
    tableSize: 1024,
    resetsParked: false,
    ...options,
  });
const bytes = (text: string) => NativeBuffer.from(Buffer.from(text));
const readable = (read: () => number) => until("bytes to read", read, (received) => received !== -EAGAIN);

describe("slots", () => {
  it("are the lowest free numbers, and grow beyond the first array", () => {
    const table = makeTable({ slots: 2 });
    expect([100, 101, 102, 103, 104].map((fd) => table.add(fd, OPEN))).toEqual([0, 1, 2, 3, 4]);
    expect([0, 1, 2, 3, 4].map((slot) => table.descriptor(slot))).toEqual([100, 101, 102, 103, 104]);
    expect(table.end).toBe(5);
    table.setState(3, BUSY);
    expect([table.state(3), table.state(4)]).toEqual([BUSY, OPEN]);
  });

  it("are not reused while events of the same batch may refer to them", async () => {
    const table = makeTable();
    const [one, two, three] = await connectPairs(3);
    const slot = table.add(one!.near, OPEN);
    table.close(slot);
    expect(table.state(slot)).toBe(SLOT.free);
    expect(table.add(two!.near, OPEN)).not.toBe(slot);
    table.recycle();
    expect(table.add(three!.near, OPEN)).toBe(slot);
    table.closeAll(false, () => false);
  });
});

describe.skipIf(!canPark)("parked connections", () => {
  it("need no descriptor, keep their slot, still send and receive, and end", async () => {
    const before = countOpenDescriptors();
    const table = makeTable();
    const held = countOpenDescriptors();
    const pairs = await connectPairs(40);
    const slots = pairs.map(({ near }) => table.add(near, OPEN));
    table.setState(slots[7]!, BUSY);
    expect(table.park()).toBe(39);
    // The table's ring, the busy socket, the far ends and the listener.
    expect(countOpenDescriptors()).toBe(held + 1 + 1 + 40 + 1);
    expect(table.descriptor(slots[0]!)).toBeLessThan(0);
    expect(table.descriptor(slots[7]!)).toBe(pairs[7]!.near);

    const buffer = new NativeBuffer(64);
    for (const [n, { far }] of pairs.entries()) {
      expect(table.receive(slots[n]!, buffer)).toBe(-EAGAIN);
      expect(table.send(slots[n]!, bytes(`to ${n}`), 0, 4)).toBe(4);
      expect(await readable(() => receive(far, buffer))).toBe(4);
      expect(buffer.bytes.toString("utf8", 0, 4)).toBe(`to ${n}`.slice(0, 4));
      sendBytes(far, bytes(`from ${n}!`), 0, 6);
      expect(await readable(() => table.receive(slots[n]!, buffer))).toBe(6);
      expect(buffer.bytes.toString("utf8", 0, 6)).toBe(`from ${n}!`.slice(0, 6));
    }
    table.close(slots[0]!);
    expect(await readable(() => receive(pairs[0]!.far, buffer))).toBe(0);
    table.closeAll(false, () => false);
    for (const { far } of pairs.slice(1)) expect(await readable(() => receive(far, buffer))).toBe(0);
    expect(countOpenDescriptors()).toBe(before + 40 + 1);
  });

  it("end with RST on request", async () => {
    const table = makeTable({ resetsParked: true });
    const pairs = await connectPairs(3);
    const slots = pairs.map(({ near }) => table.add(near, OPEN));
    expect(table.park()).toBe(3);
    table.close(slots[0]!, true);
    const buffer = new NativeBuffer(8);
    expect(await readable(() => receive(pairs[0]!.far, buffer))).toBe(-ECONNRESET);
    table.closeAll(true, () => false);
    for (const { far } of pairs.slice(1)) expect(await readable(() => receive(far, buffer))).toBe(-ECONNRESET);
  });

  it("are reported before they lose their descriptors", async () => {
    const told: number[] = [];
    const table = makeTable({ onParking: (slot) => told.push(table.descriptor(slot)) });
    const pairs = await connectPairs(5);
    for (const { near } of pairs) table.add(near, OPEN);
    table.park();
    expect(told.sort((a, b) => a - b)).toEqual(pairs.map(({ near }) => near).sort((a, b) => a - b));
    expect(table.park()).toBe(0);
    table.closeAll(false, () => false);
  });

  it("fill one file table after another and release emptied ones", async () => {
    const table = makeTable({ tableSize: 8 });
    const pairs = await connectPairs(24);
    const slots = pairs.map(({ near }) => table.add(near, OPEN));
    let parked = 0;
    for (let moved = table.park(); moved > 0; moved = table.park()) parked += moved;
    expect(parked).toBe(24);
    const full = countOpenDescriptors();
    for (const slot of slots.slice(0, 8)) table.close(slot);
    expect(countOpenDescriptors()).toBe(full - 1);
    const buffer = new NativeBuffer(8);
    sendBytes(pairs[20]!.far, bytes("x"), 0, 1);
    expect(await readable(() => table.receive(slots[20]!, buffer))).toBe(1);
    table.closeAll(false, () => false);
  });
});
