// Tests TCP in user space segment by segment, with the test acting as the peer.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETDOWN, ETIMEDOUT } from "../../../src/linux/syscalls/errno.js";
import { PacketClient } from "../../../src/transport/packet/client.js";
import { ClientEndpoints } from "../../../src/transport/packet/client-endpoints.js";
import { SLOT } from "../../../src/transport/slot-state.js";
import { parseIp } from "../../../src/util/address.js";
import { icmpPacket, MemoryDevice, readSegment, type SegmentText, segmentPacket } from "../../support/packets.js";
import { hasProgram } from "../../support/process.js";
import { BUDGET, bytesOf, Recorder, TupleList } from "../../support/transport.js";

const ISS = 0xffff_fff0;
const IRS = 0xffff_fffe;
const SYN_ACK_OPTIONS = [2, 4, 5, 180, 1, 3, 3, 7];

interface Sides {
  readonly us: string;
  readonly peer: string;
}

const V4: Sides = { us: "10.64.0.1", peer: "10.99.0.1" };
const V6: Sides = { us: "fd00:64:0:0:0:0:0:1", peer: "fd00:99:0:0:0:0:0:1" };

function client({ us, peer }: Sides = V4, delaysAcks = false) {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const device = new MemoryDevice();
  const told = new Recorder();
  const destinations = [{ ip: parseIp(peer), port: 80 }];
  const tuples = new TupleList(
    Array.from({ length: 8 }, (_, n) => ({ from: us, port: 1024 + n, to: { ip: peer, port: 80 } })),
  );
  const plan = { sources: [{ first: parseIp(us), count: 1 }], firstPort: 1024, portCount: 8, destinations };
  const common = { tuples, handler: told, budget: BUDGET, slots: 4, endsGreeted: undefined };
  const transport = new PacketClient({ ...common, device, plan, delaysAcks });
  // Both sides' sequence numbers wrap around within the first few bytes.
  transport.stack.initialSequence = () => ISS;
  const turn = (ms = 0) => {
    vi.advanceTimersByTime(ms);
    transport.turn(0);
  };
  return {
    ...{ transport, told, device, turn },
    /** Returns everything sent since the last call. */
    sent: () => device.sent.splice(0).map(readSegment),
    /** Delivers segments and sends the answers. */
    arrive: (...segments: Partial<SegmentText>[]) => {
      for (const segment of segments) {
        const ports = { sourcePort: 80, destinationPort: 1024 };
        device.arriving.push(segmentPacket({ from: peer, to: us, ...ports, seq: 0, flags: "A", ...segment }));
      }
      turn();
      turn();
    },
  };
}

/** Sequence numbers of byte `n`, counted from 0, of the peer and of this side. */
const theirs = (n: number) => (IRS + 1 + n) >>> 0;
const ours = (n: number) => (ISS + 1 + n) >>> 0;

function connected(sides: Sides = V4, window = 1000, delaysAcks = false) {
  const under = client(sides, delaysAcks);
  const slot = under.transport.open();
  under.sent();
  under.arrive({ seq: IRS, ack: ours(0), flags: "SA", window: 65_535, options: SYN_ACK_OPTIONS });
  const ack = under.sent();
  // The window of a SYN is not scaled; later ones are multiples of 128.
  under.arrive({ seq: theirs(0), ack: ours(0), window });
  under.told.events.length = 0;
  return { ...under, slot, ack };
}

describe.each([
  ["IPv4", V4],
  ["IPv6", V6],
])("a handshake over %s", (_, sides) => {
  it("begins with a SYN that announces segment size and window scale", () => {
    const { transport, sent } = client(sides);
    expect(transport.state(transport.open())).toBe(SLOT.opening);
    const mss = sides === V4 ? [5, 180] : [5, 160];
    expect(sent()).toEqual([
      {
        ...{ from: sides.us, to: sides.peer, sourcePort: 1024, destinationPort: 80, seq: ISS, ack: 0, flags: "S" },
        ...{ window: 65_535, options: [2, 4, ...mss, 1, 3, 3, 0], data: "" },
      },
    ]);
  });

  it("ends with an ACK", () => {
    const { ack, transport, slot } = connected(sides);
    expect(ack).toMatchObject([{ flags: "A", seq: ours(0), ack: theirs(0), options: [], data: "" }]);
    expect(transport.state(slot)).toBe(SLOT.opened);
    expect(transport.addresses(slot)).toMatchObject({ local: { port: 1024 }, remote: { port: 80 } });
  });

  it("carries the ACK in data that is sent at once, and reports the peer's data after it", () => {
    const { transport, told, sent, arrive } = client(sides);
    told.onOpened = (slot) => expect(transport.send(slot, bytesOf("hello"), 0, 5)).toBe(5);
    const slot = transport.open();
    sent();
    arrive({ seq: IRS, ack: ours(0), flags: "SA", options: SYN_ACK_OPTIONS });
    expect(sent()).toMatchObject([{ flags: "PA", seq: ours(0), ack: theirs(0), data: "hello" }]);
    arrive({ seq: theirs(0), ack: ours(5), flags: "PA", data: "welcome" });
    expect(told.text(slot)).toBe("welcome");
    expect(sent()).toMatchObject([{ flags: "A", seq: ours(5), ack: theirs(7) }]);
  });
});

describe("a handshake", () => {
  it("repeats its SYN with growing intervals, and fails with ETIMEDOUT", () => {
    const { transport, told, sent, turn } = client();
    const slot = transport.open();
    const at: number[] = [];
    for (let ms = 0; ms <= 200_000 && told.events.length === 0; ms += 500) {
      for (const { flags } of sent()) if (flags === "S") at.push(ms);
      turn(500);
    }
    // As in Linux: after 1, 3, 7, 15, 31 and 63 seconds, then failure after 127.
    expect(at.map((ms) => Math.floor(ms / 1000))).toEqual([0, 1, 3, 7, 15, 31, 63]);
    expect(told.events).toEqual([`failed ${slot} connect ${ETIMEDOUT}`]);
    expect(transport.state(slot)).toBe(SLOT.free);
  });

  it("answers a repeated SYN-ACK", () => {
    const { arrive, sent, told } = connected();
    arrive({ seq: IRS, ack: ours(0), flags: "SA", options: SYN_ACK_OPTIONS });
    expect(sent()).toMatchObject([{ flags: "A", seq: ours(0), ack: theirs(0) }]);
    expect(told.events).toEqual([]);
  });

  it("resets an earlier connection of its 4-tuple, and tries again", () => {
    const { transport, arrive, sent, told } = client();
    const slot = transport.open();
    sent();
    arrive({ seq: 77, ack: 12_345, flags: "A" });
    expect(sent()).toMatchObject([
      { flags: "R", seq: 12_345 },
      { flags: "S", seq: ISS },
    ]);
    arrive({ seq: IRS, ack: ours(0), flags: "SA" });
    expect(told.events).toEqual([`opened ${slot}`]);
  });

  it("resets an earlier connection of its 4-tuple twice per second at most", () => {
    const { transport, arrive, sent, turn } = client();
    transport.open();
    sent();
    for (let n = 0; n < 100; n++) arrive({ seq: 77, ack: 12_345, flags: "A" });
    expect(sent()).toMatchObject([{ flags: "R" }, { flags: "S" }]);
    turn(500);
    for (let n = 0; n < 100; n++) arrive({ seq: 77, ack: 12_345, flags: "A" });
    expect(sent()).toMatchObject([{ flags: "R" }, { flags: "S" }]);
  });

  it("fails with ECONNREFUSED, but only by a reset that acknowledges the SYN", () => {
    const { transport, arrive, told } = client();
    const slot = transport.open();
    arrive({ seq: 0, ack: ours(5), flags: "RA" }, { seq: 0, flags: "R" });
    expect(told.events).toEqual([]);
    arrive({ seq: 0, ack: ours(0), flags: "RA" });
    expect(told.events).toEqual([`failed ${slot} connect ${ECONNREFUSED}`]);
  });

  it("fails with the errno of an ICMP message about its SYN", () => {
    const { transport, device, turn, told } = client();
    const slot = transport.open();
    const syn = device.sent[0]!;
    const other = Buffer.from(syn);
    other.writeUInt32BE(99, 24);
    device.arriving.push(icmpPacket("10.0.0.9", V4.us, 3, 1, other));
    turn();
    expect(told.events).toEqual([]);
    device.arriving.push(icmpPacket("10.0.0.9", V4.us, 3, 1, syn));
    turn();
    expect(told.events).toEqual([`failed ${slot} connect ${EHOSTUNREACH}`]);
    expect([...transport.stack.icmp]).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it("may be simultaneous", () => {
    const { transport, arrive, sent, told } = client();
    const slot = transport.open();
    sent();
    arrive({ seq: IRS, flags: "S", options: SYN_ACK_OPTIONS });
    expect(sent()).toMatchObject([{ flags: "SA", seq: ISS, ack: theirs(0) }]);
    arrive({ seq: theirs(0), ack: ours(0), flags: "A" });
    expect(told.events).toEqual([`opened ${slot}`]);
  });

  it("is ignored from port 0, which belongs to nobody", () => {
    const { arrive, sent, transport } = client();
    arrive({ seq: 7, flags: "S", sourcePort: 0 }, { seq: 7, flags: "S", destinationPort: 0 });
    expect([sent(), transport.stack.counters.malformed]).toEqual([[], 2]);
  });

  it("is refused to strangers", () => {
    const { arrive, sent } = client();
    arrive({ seq: 7, flags: "S", destinationPort: 1030 }, { seq: 7, ack: 9, flags: "A", destinationPort: 2000 });
    expect(sent()).toMatchObject([
      { flags: "RA", seq: 0, ack: 8, sourcePort: 1030 },
      { flags: "R", seq: 9, sourcePort: 2000 },
    ]);
    arrive({ seq: 7, ack: 9, flags: "RA", destinationPort: 2000 });
    expect(sent()).toEqual([]);
  });
});

describe("receiving", () => {
  it("drops what is out of order and what it has, and acknowledges again", () => {
    const { arrive, sent, told, slot } = connected();
    arrive({ seq: theirs(3), ack: ours(0), data: "def" });
    expect(sent()).toMatchObject([{ flags: "A", ack: theirs(0) }]);
    arrive({ seq: theirs(0), ack: ours(0), data: "abc" }, { seq: theirs(0), ack: ours(0), data: "abc" });
    expect(sent().at(-1)).toMatchObject({ flags: "A", ack: theirs(3) });
    arrive({ seq: theirs(1), ack: ours(0), data: "bcdef" });
    expect([told.text(slot), sent().at(-1)!.ack]).toEqual(["abcdef", theirs(6)]);
  });

  describe("with delayed ACKs", () => {
    const delayed = () => connected(V4, 1000, true);
    const abc = { seq: theirs(0), ack: ours(0), data: "abc" };

    it("acknowledges a segment after 40 ms", () => {
      const { arrive, sent, turn, transport } = delayed();
      arrive(abc);
      expect(transport.stack.waitMs(performance.now())).toBe(40);
      turn(39);
      expect(sent()).toEqual([]);
      turn(1);
      expect(sent()).toMatchObject([{ flags: "A", ack: theirs(3), data: "" }]);
      turn(100);
      expect(sent()).toEqual([]);
    });

    it("acknowledges every second segment at once", () => {
      const { arrive, sent } = delayed();
      arrive(abc, { seq: theirs(3), ack: ours(0), data: "def" });
      expect(sent()).toMatchObject([{ flags: "A", ack: theirs(6) }]);
      arrive({ seq: theirs(6), ack: ours(0), data: "ghi" });
      expect(sent()).toEqual([]);
    });

    it("acknowledges with data, a FIN or what is out of order", () => {
      const { arrive, sent, turn, transport, slot } = delayed();
      arrive(abc);
      turn(20);
      transport.send(slot, bytesOf("hello"), 0, 5);
      expect(sent()).toMatchObject([{ flags: "PA", ack: theirs(3), data: "hello" }]);
      turn(100);
      expect(sent()).toEqual([]);
      arrive({ seq: theirs(9), ack: ours(5), data: "late" });
      expect(sent()).toMatchObject([{ flags: "A", ack: theirs(3) }]);
      arrive({ seq: theirs(3), ack: ours(5), flags: "PA", data: "def" });
      transport.close(slot);
      expect(sent()).toMatchObject([{ flags: "FA", ack: theirs(6) }]);
    });
  });

  it("ignores segments with a wrong checksum", () => {
    const { device, turn, told, transport } = connected();
    const packet = segmentPacket({
      ...{ from: V4.peer, to: V4.us, sourcePort: 80, destinationPort: 1024 },
      ...{ seq: theirs(0), ack: ours(0), flags: "A", data: "abc" },
    });
    packet[packet.length - 1]! ^= 1;
    device.arriving.push(packet);
    turn();
    expect([told.events, transport.stack.counters.badChecksums]).toEqual([[], 1]);
  });

  it("answers keep-alives, but no more than twice a second", () => {
    const { arrive, sent, turn } = connected();
    for (let n = 0; n < 3; n++) {
      for (let repeat = 0; repeat < 10; repeat++) arrive({ seq: theirs(-1), ack: ours(0), flags: "A" });
      expect(sent()).toMatchObject([{ flags: "A", seq: ours(0), ack: theirs(0) }]);
      turn(500);
    }
  });

  it("believes a reset only at the expected place", () => {
    const { arrive, sent, told, slot } = connected();
    arrive({ seq: theirs(9), ack: ours(0), flags: "RA" });
    expect([told.events, sent()]).toMatchObject([[], [{ flags: "A", ack: theirs(0) }]]);
    arrive({ seq: theirs(0), ack: ours(0), flags: "RA" });
    expect(told.events).toEqual([`failed ${slot} hold ${ECONNRESET}`]);
  });

  it("announces a smaller window while the role does not read, and reopens it", () => {
    const { transport, arrive, sent, told, slot, turn } = connected();
    transport.isHeld = true;
    for (let n = 0; n < 40; n++) arrive({ seq: theirs(n * 1000), ack: ours(0), data: "x".repeat(1000) });
    expect(sent().at(-1)!.window).toBe(65_535 - 40_000);
    expect(told.events).toEqual([]);
    transport.isHeld = false;
    for (let n = 0; n < 10; n++) turn();
    expect(told.text(slot).length).toBe(40_000);
    expect(sent().at(-1)!.window).toBeGreaterThan(32_768);
  });
});

it("acknowledges no bytes for which the pool of unread bytes has no room", () => {
  const { transport, arrive, sent, told, slot, turn } = connected();
  transport.isHeld = true;
  const { unread } = transport.stack.records;
  arrive({ seq: theirs(0), ack: ours(0), data: "a".repeat(100) });
  // Only two of the pool's chunks of 128 bytes are left, and 28 bytes in the connection's own.
  const pool = unread as unknown as { used: number };
  pool.used = 2 ** 20 - 2;
  sent();
  arrive({ seq: theirs(100), ack: ours(0), data: "b".repeat(1000) });
  expect(sent()).toMatchObject([{ flags: "A", ack: theirs(100 + 28 + 256) }]);
  arrive({ seq: theirs(384), ack: ours(0), data: "c".repeat(1000) });
  expect(sent()).toMatchObject([{ flags: "A", ack: theirs(384) }]);
  transport.isHeld = false;
  for (let n = 0; n < 3; n++) turn();
  expect(told.text(slot)).toBe("a".repeat(100) + "b".repeat(284));
});

describe("sending", () => {
  it("repeats what is not acknowledged, with growing intervals, and fails in the end", () => {
    const { transport, told, sent, turn, slot } = connected();
    transport.send(slot, bytesOf("hello"), 0, 5);
    expect(sent()).toMatchObject([{ flags: "PA", data: "hello" }]);
    let repeats = 0;
    let ms = 0;
    for (; ms < 2_000_000 && told.events.length === 0; ms += 1000) {
      turn(1000);
      for (const segment of sent()) {
        expect(segment).toMatchObject({ data: "hello", seq: ours(0) });
        repeats++;
      }
    }
    // tcp_retries2: 15 times, in a good quarter of an hour.
    expect([repeats, told.events]).toEqual([15, [`failed ${slot} hold ${ETIMEDOUT}`]]);
    expect(ms).toBeGreaterThan(600_000);
    expect(transport.stack.records.used).toBe(0);
  });

  it("sends nothing again on an idle connection without loss, however long a turn waits", () => {
    const { transport, device, arrive, sent, turn, slot } = connected();
    for (let n = 0; n < 3; n++) {
      device.onWait = () => vi.advanceTimersByTime(5000);
      turn();
      device.onWait = () => undefined;
      // The role sends between turns, the answer takes 50 ms.
      transport.send(slot, bytesOf("ping"), 0, 4);
      expect(sent()).toMatchObject([{ data: "ping" }]);
      turn(50);
      arrive({ seq: theirs(4 * n), ack: ours(4 * n + 4), data: "pong" });
      expect(sent()).toMatchObject([{ flags: "A", data: "" }]);
    }
    expect(transport.stack.counters.retransmitted).toBe(0);
  });

  it("measures round trips that end during a wait", () => {
    const { transport, device, sent, turn } = client();
    turn(1000);
    transport.open();
    sent();
    device.onWait = () => {
      vi.advanceTimersByTime(150);
      device.onWait = () => undefined;
      const ends = { from: V4.peer, to: V4.us, sourcePort: 80, destinationPort: 1024 };
      device.arriving.push(segmentPacket({ ...ends, seq: IRS, ack: ours(0), flags: "SA", options: SYN_ACK_OPTIONS }));
    };
    turn();
    // RFC 6298: the first sample, and four times half of it.
    expect(transport.stack.roundTrips.timeoutMs(0)).toBe(150 + 300);
  });

  it("sends a lost segment again after three duplicate acknowledgements", () => {
    const { transport, arrive, sent, slot } = connected();
    const text = "x".repeat(1460 * 5);
    transport.send(slot, bytesOf(text), 0, text.length);
    expect(sent().length).toBe(5);
    for (let n = 0; n < 3; n++) arrive({ seq: theirs(0), ack: ours(1460), window: 1000 });
    arrive({ seq: theirs(0), ack: ours(1460), window: 1000 });
    expect(sent()).toMatchObject([{ seq: ours(1460), data: "x".repeat(1460) }]);
    arrive({ seq: theirs(0), ack: ours(text.length), window: 1000 });
    expect(transport.stack.records.used).toBe(0);
  });

  it("numbers ACKs and resets after a timeout behind everything that it has sent", () => {
    const { transport, arrive, sent, turn, slot } = connected();
    const text = "x".repeat(1460 * 3);
    transport.send(slot, bytesOf(text), 0, text.length);
    sent();
    turn(2000);
    expect(sent()).toMatchObject([{ seq: ours(0), data: text.slice(0, 1460) }]);
    // The peer has received everything, but its ACKs were lost.
    arrive({ seq: theirs(0), ack: ours(0), data: "abc" });
    expect(sent()).toMatchObject([{ flags: "A", seq: ours(text.length), ack: theirs(3) }]);
    transport.reset(slot);
    expect(sent()).toMatchObject([{ flags: "RA", seq: ours(text.length) }]);
  });

  it("sends segments that are no larger than each peer takes", () => {
    const { transport, arrive, sent } = client();
    const text = "m".repeat(3000);
    const lengths = (options: readonly number[]) => {
      const slot = transport.open();
      const syn = sent().at(-1)!;
      const ends = { destinationPort: syn.sourcePort };
      const ack = syn.seq + 1;
      arrive({ ...ends, seq: IRS, ack, flags: "SA", window: 65_535, options });
      sent();
      transport.send(slot, bytesOf(text), 0, text.length);
      const found = sent().map(({ data }) => data.length);
      arrive({ ...ends, seq: theirs(0), ack: ack + text.length, flags: "FA" });
      return found;
    };
    expect(lengths(SYN_ACK_OPTIONS)).toEqual([1460, 1460, 80]);
    expect(lengths([2, 4, 3, 232])).toEqual([1000, 1000, 1000]);
    // Others are not affected, not even those that use the slot again.
    expect(lengths(SYN_ACK_OPTIONS)).toEqual([1460, 1460, 80]);
    // A peer that announces no size takes 536 bytes (RFC 9293), and none may ask for less than 48.
    expect(lengths([])).toEqual([536, 536, 536, 536, 536, 320]);
    expect(lengths([2, 4, 0, 1]).slice(0, 2)).toEqual([48, 48]);
  });

  it("keeps within the peer's window, and probes it once it is closed", () => {
    const { transport, arrive, sent, slot, turn } = connected(V4, 2);
    const text = "y".repeat(400);
    expect(transport.send(slot, bytesOf(text), 0, text.length)).toBe(400);
    // Windows are scaled by 2^7.
    expect(sent().map(({ data }) => data.length)).toEqual([256]);
    arrive({ seq: theirs(0), ack: ours(256), window: 0 });
    expect(sent()).toEqual([]);
    turn(1500);
    expect(sent()).toMatchObject([{ seq: ours(255), data: "" }]);
    arrive({ seq: theirs(0), ack: ours(256), window: 100 });
    expect(sent()).toMatchObject([{ seq: ours(256), data: "y".repeat(144) }]);
    arrive({ seq: theirs(0), ack: ours(400), window: 100 });
    expect(transport.stack.records.used).toBe(0);
  });
});

describe.skipIf(!hasProgram("tshark"))("tshark", () => {
  it.each([
    ["IPv4", V4],
    ["IPv6", V6],
  ])("finds nothing wrong with the packets of a connection over %s", (_, sides) => {
    const { transport, device, arrive } = client(sides);
    const slot = transport.open();
    arrive({ seq: IRS, ack: ours(0), flags: "SA", window: 65_535, options: SYN_ACK_OPTIONS });
    const text = "z".repeat(3001);
    transport.send(slot, bytesOf(text), 0, text.length);
    arrive({ seq: theirs(0), ack: ours(3001), flags: "FA", data: "odd" });
    transport.open();
    arrive({ seq: 9, flags: "A", ack: 5, destinationPort: 1025 }, { seq: 9, flags: "S", destinationPort: 99 });
    const packets = device.sent;
    const decoded = decode(packets);
    expect(decoded.length).toBe(packets.length);
    // No mark for malformed packets, and both checksums are right; IPv6 has none of its own.
    for (const line of decoded) expect(line).toMatch(/^,(1|),1,0x0*[0-9a-f]+$/);
    expect(new Set(decoded.map((line) => Number.parseInt(line.split(",")[3]!, 16)))).toEqual(
      new Set([0x02, 0x10, 0x18, 0x11, 0x04, 0x14]),
    );
  });
});

/** Returns what tshark says of each packet: malformed, status of the IP and the TCP checksum, flags. */
function decode(packets: readonly Buffer[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "fourtuple-packets-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "packets.pcap");
  // libpcap's format, with packets that begin with an IP header (LINKTYPE_RAW).
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(101, 20);
  const records = packets.flatMap((packet) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return [record, packet];
  });
  writeFileSync(file, Buffer.concat([head, ...records]));
  const checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
  const fields = ["_ws.malformed", "ip.checksum.status", "tcp.checksum.status", "tcp.flags"].flatMap((f) => ["-e", f]);
  const { stdout } = spawnSync("tshark", ["-r", file, ...checks, "-T", "fields", "-E", "separator=,", ...fields], {
    encoding: "utf8",
  });
  return stdout.trim().split("\n");
}

it("fails all connections with ENETDOWN once the device is gone, and those begun later", () => {
  const { transport, device, told, slot, turn } = connected();
  const closed = transport.open();
  device.arriving.push(
    segmentPacket({
      ...{ from: V4.peer, to: V4.us, sourcePort: 80, destinationPort: 1025 },
      ...{ seq: IRS, ack: ours(0), flags: "SA" },
    }),
  );
  turn();
  transport.close(closed);
  told.events.length = 0;
  const opening = transport.open();
  device.isGone = true;
  turn();
  expect(told.events).toEqual([`failed ${slot} hold ${ENETDOWN}`, `failed ${opening} connect ${ENETDOWN}`]);
  expect([transport.stack.records.used, transport.stack.connections.orphans]).toEqual([0, 0]);
  const late = transport.open();
  turn();
  expect(told.events.at(-1)).toBe(`failed ${late} connect ${ENETDOWN}`);
});

it("notices within a second that the device was removed while nothing is sent or received", () => {
  const { device, told, slot, turn } = connected();
  device.isRemoved = true;
  turn(1000);
  expect(told.events).toEqual([`failed ${slot} hold ${ENETDOWN}`]);
});

it("finds a free 4-tuple next to many consecutive ones in a few steps", () => {
  const { connections } = connected().transport.stack;
  const plan = { sources: [{ first: parseIp(V4.us), count: 100 }], firstPort: 1024, portCount: 60_000 };
  const ends = new ClientEndpoints({ ...plan, destinations: [{ ip: parseIp(V4.peer), port: 80 }] });
  ends.begin(connections);
  const [held, tuples] = [20_000, 65_536];
  for (let id = 0; id < held; id++) ends.assign(id, id + 1);
  let steps = 0;
  const table = ends as unknown as { table: Int32Array };
  table.table = new Proxy(table.table, {
    get: (entries, key) => {
      if (key === "length") return entries.length;
      steps++;
      return Reflect.get(entries, key);
    },
  });
  // The numbers right after the held ones, and those that differ from them by the table's length.
  for (let n = 0; n < 100; n++) {
    for (const number of [held + 1 + n, tuples + 1 + n]) expect(ends.holder(number)).toBe(-1);
  }
  expect(steps).toBeLessThan(200 * 20);
});

describe("closing", () => {
  it("sends FIN, waits for the peer's, and stays in TIME_WAIT for a minute", () => {
    const { transport, arrive, sent, slot, turn, told } = connected();
    transport.send(slot, bytesOf("bye"), 0, 3);
    transport.close(slot);
    expect(transport.state(slot)).toBe(SLOT.free);
    expect(sent()).toMatchObject([{ data: "bye" }, { flags: "FA", seq: ours(3) }]);
    arrive({ seq: theirs(0), ack: ours(4), flags: "A" });
    arrive({ seq: theirs(0), ack: ours(4), flags: "FA" });
    expect(sent()).toMatchObject([{ flags: "A", seq: ours(4), ack: theirs(1) }]);
    arrive({ seq: theirs(0), ack: ours(4), flags: "FA" });
    expect(sent()).toMatchObject([{ flags: "A", seq: ours(4), ack: theirs(1) }]);
    expect(transport.stack.timeWaits).toBe(1);
    for (let n = 0; n < 62; n++) turn(1000);
    expect([transport.stack.timeWaits, transport.stack.connections.orphans]).toEqual([0, 0]);
    expect(told.events).toEqual([]);
  });

  it("answers the peer's FIN with its own", () => {
    const { transport, arrive, sent, slot, told } = connected();
    arrive({ seq: theirs(0), ack: ours(0), flags: "FA", data: "end" });
    expect(told.events).toEqual([`received ${slot} 3`, `closed ${slot}`]);
    expect(sent()).toMatchObject([{ flags: "FA", seq: ours(0), ack: theirs(4) }]);
    arrive({ seq: theirs(4), ack: ours(1), flags: "A" });
    expect(transport.stack.connections.orphans).toBe(0);
    expect(transport.stack.records.used).toBe(0);
  });

  it("may be simultaneous", () => {
    const { transport, arrive, sent, slot } = connected();
    transport.close(slot);
    sent();
    arrive({ seq: theirs(0), ack: ours(0), flags: "FA" });
    expect(sent()).toMatchObject([{ flags: "A", seq: ours(1), ack: theirs(1) }]);
    arrive({ seq: theirs(1), ack: ours(1), flags: "A" });
    expect(transport.stack.timeWaits).toBe(1);
  });

  it("gives up a closed connection whose peer never opens its window", () => {
    const { transport, arrive, sent, slot, turn } = connected(V4, 2);
    const text = "y".repeat(400);
    transport.send(slot, bytesOf(text), 0, text.length);
    transport.close(slot);
    sent();
    arrive({ seq: theirs(0), ack: ours(256), window: 0 });
    let probes = 0;
    for (let ms = 0; ms < 1_000_000 && transport.stack.connections.orphans > 0; ms += 100) {
      turn(100);
      for (const { data } of sent()) {
        expect(data).toBe("");
        probes++;
        arrive({ seq: theirs(0), ack: ours(256), window: 0 });
      }
    }
    expect([probes, transport.stack.connections.orphans, transport.stack.records.used]).toEqual([8, 0, 0]);
  });

  it("waits for peers that answer one after the other, however long all of them take, but not for a silent one", () => {
    for (const [answering, resets] of [
      [4, 0],
      [3, 1],
    ] as const) {
      const { transport, device, arrive, sent } = client();
      for (let n = 0; n < 4; n++) transport.open();
      const ports = sent().map(({ sourcePort }) => sourcePort);
      for (const destinationPort of ports) arrive({ destinationPort, seq: IRS, ack: ours(0), flags: "SA" });
      let waitedMs = 0;
      device.onWait = () => {
        vi.advanceTimersByTime(100);
        waitedMs += 100;
        const port = ports[waitedMs / 1500 - 1];
        if (port === undefined || port === ports[answering]) return;
        const ends = { from: V4.peer, to: V4.us, sourcePort: 80, destinationPort: port };
        device.arriving.push(segmentPacket({ ...ends, seq: theirs(0), ack: ours(1), flags: "FA" }));
      };
      sent();
      transport.closeAll(false, () => false);
      expect(sent().filter(({ flags }) => flags.includes("R")).length).toBe(resets);
      expect(waitedMs).toBeLessThan(resets === 0 ? 6500 : 7000);
    }
  });

  it("resets if received bytes are unread, and when bytes arrive after the end", () => {
    const first = connected();
    first.transport.isHeld = true;
    first.arrive({ seq: theirs(0), ack: ours(0), data: "unread" });
    first.sent();
    first.transport.close(first.slot);
    expect(first.sent()).toMatchObject([{ flags: "RA", seq: ours(0) }]);
    const second = connected();
    second.transport.close(second.slot);
    second.sent();
    second.arrive({ seq: theirs(0), ack: ours(1), data: "late" });
    expect(second.sent()).toMatchObject([{ flags: "R", seq: ours(1) }]);
    expect(second.transport.stack.connections.orphans).toBe(0);
  });

  it("lets a 4-tuple in TIME_WAIT be used again", () => {
    const { transport, arrive, slot, sent, turn } = connected();
    transport.close(slot);
    arrive({ seq: theirs(0), ack: ours(1), flags: "FA" });
    expect(transport.stack.timeWaits).toBe(1);
    (transport as unknown as { tuples: TupleList }).tuples.giveBack(0);
    turn();
    transport.open();
    expect(sent().at(-1)).toMatchObject({ flags: "S", sourcePort: 1024 });
    expect(transport.stack.timeWaits).toBe(0);
  });
});
