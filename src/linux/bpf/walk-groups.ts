// The part of the BPF program that counts sockets in the kernel instead of writing a row for each: it groups sockets by
// addresses, state and the port that matters, in a hash table in the map. A socket that finds no place there gets a row.
import { AF_INET6, TCP_ESTABLISHED } from "../syscalls/constants.js";
import type { Assembler } from "./assembler.js";
import type { KernelLayout } from "./kernel-layout.js";

/** Bits of a port, which tell what is kept of a socket with this port. */
export const PORT_BIT = {
  listening: 1,
  wanted: 2,
  /** For a local port, not which one it is, but that it has this bit. */
  outsideRange: 4,
} as const;
export const GROUPS = 8192;
export const GROUP_BYTES = 64;
/** Offsets in a group. */
export const GROUP = {
  /** AF_* | state << 8, and the interface. */
  familyAndState: 0,
  interface: 4,
  /**
   * Local port | remote port << 16, in host byte order; 0 for a port that is not kept. Then PORT_BIT.outsideRange of the
   * local port, or 0.
   */
  ports: 8,
  /** 16 bytes each; IPv4 addresses are in the first four. */
  localIp: 16,
  remoteIp: 32,
  /** Number of sockets; 0 for a free place. */
  sockets: 48,
  /** Ports of the first socket, like `ports`. */
  firstPorts: 52,
} as const;
export const LOG_BYTES = 16;
/** Offsets in the log, which has an entry for each socket of a call. */
export const LOG = {
  /** Number of the group, or NO_GROUP for a socket with a row; state << 16. */
  groupAndState: 0,
  /** Local port | remote port << 16. */
  ports: 4,
  /** Hash of the 4-tuple. */
  hash: 8,
} as const;
export const NO_GROUP = 0xffff;

const PORTS = 65_536;
/** Number of places where a group may be. */
const PROBES = 4;
/** Odd numbers, as a BPF instruction extends their sign: one for each word of the key, and those of the last rounds. */
const KEY_FACTORS = [0x9e3779b1, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1, 0xd6e8feb9].map((factor) => factor | 0);
const FACTORS = [0x9e3779b1 | 0, 0x85ebca6b | 0] as const;
const FRAME = 10;
/** The group's key and both ports, on the stack: places as in a group. */
const KEY = -64;
const BOTH_PORTS = KEY + GROUP.sockets;
const KEY_WORDS = [GROUP.familyAndState, GROUP.ports, GROUP.localIp, 24, GROUP.remoteIp, 40];

/** Offsets in the map's value, from the end of the control fields on. `used` has a bit for each group. */
export function groupPlaces(from: number, steps: number) {
  const portBits = from;
  const portEstablished = portBits + PORTS;
  const portOthers = portEstablished + 4 * PORTS;
  const used = portOthers + 4 * PORTS;
  const groups = used + GROUPS / 8;
  const log = groups + GROUPS * GROUP_BYTES;
  const rows = log + steps * LOG_BYTES;
  return { portBits, portEstablished, portOthers, used, groups, log, rows };
}

export interface GroupTarget {
  readonly mapFd: number;
  readonly places: ReturnType<typeof groupPlaces>;
  /** Control field that counts the log's entries, and one for a hash. */
  readonly logged: number;
  readonly hash: number;
  readonly steps: number;
}

/**
 * Counts the socket in R8 with the local port R3, the remote port R4 (both in host byte order), the family R5 and the
 * state R7, and jumps to "done"; to "complete" if the log is full. Otherwise execution continues behind, with the same
 * registers, for a socket that needs a row. R9 is lost.
 */
export function assembleGrouping(a: Assembler, { offsets }: KernelLayout, target: GroupTarget): void {
  const { mapFd, places, logged, hash, steps } = target;
  const inMap = (to: number, place: number, by: number) => a.mapValue(to, mapFd, place).aluBy("add", to, by);

  // The key.
  a.aluBy("mov", 1, 7).alu("lsh", 1, 8).aluBy("add", 1, 5);
  a.load(4, 2, 8, offsets.interface).alu("lsh", 2, 32).aluBy("add", 1, 2).store(8, FRAME, KEY, 1);
  a.jumpIf("eq", 5, AF_INET6, "ipv6 key");
  a.load(8, 1, 8, offsets.bothIpv4);
  for (const [from, to] of [
    [offsets.localIpv4, GROUP.localIp],
    [offsets.remoteIpv4, GROUP.remoteIp],
  ] as const) {
    a.aluBy("mov", 2, 1)
      .alu("lsh", 2, 32 - 8 * (from - offsets.bothIpv4))
      .alu("rsh", 2, 32)
      .store(8, FRAME, KEY + to, 2)
      .storeValue(8, FRAME, KEY + to + 8, 0);
  }
  a.jump("addresses").label("ipv6 key");
  for (const [from, to] of [
    [offsets.localIpv6, GROUP.localIp],
    [offsets.remoteIpv6, GROUP.remoteIp],
  ] as const) {
    for (const half of [0, 8]) a.load(8, 1, 8, from + half).store(8, FRAME, KEY + to + half, 1);
  }
  a.label("addresses");
  a.aluBy("mov", 9, 4).alu("lsh", 9, 16).aluBy("add", 9, 3).store(8, FRAME, BOTH_PORTS, 9);

  // The local port matters if something listens on it, and then the remote port does not.
  inMap(1, places.portBits, 3).load(1, 5, 1, 0);
  inMap(1, places.portBits, 4).load(1, 0, 1, 0);
  a.alu("mov", 2, 0)
    .jumpIf("set", 5, PORT_BIT.listening | PORT_BIT.wanted, "keep local port")
    .jump("keep remote port")
    .label("keep local port")
    .aluBy("mov", 2, 3)
    .jumpIf("set", 0, PORT_BIT.wanted, "keep remote port")
    .jumpIf("set", 5, PORT_BIT.listening, "ports kept")
    .label("keep remote port")
    .aluBy("mov", 1, 4)
    .alu("lsh", 1, 16)
    .aluBy("add", 2, 1)
    .label("ports kept")
    .alu("and", 5, PORT_BIT.outsideRange)
    .alu("lsh", 5, 32)
    .aluBy("add", 2, 5)
    .store(8, FRAME, KEY + GROUP.ports, 2);

  // R4 becomes the hash of the key, R9 that of the 4-tuple. The products do not wait for one another.
  a.load(8, 1, FRAME, KEY).alu("mul", 1, KEY_FACTORS[0]!);
  for (const [i, word] of [GROUP.localIp, 24, GROUP.remoteIp, 40].entries())
    a.load(8, 3, FRAME, KEY + word)
      .alu("mul", 3, KEY_FACTORS[i + 1]!)
      .aluBy("add", 1, 3);
  a.aluBy("mov", 4, 2);
  for (const register of [4, 9]) {
    a.alu("mul", register, FACTORS[1]).aluBy("add", register, 1);
    for (const factor of FACTORS) {
      a.aluBy("mov", 3, register).alu("rsh", 3, 32).aluBy("xor", register, 3).alu("mul", register, factor);
    }
    a.aluBy("mov", 3, register).alu("rsh", 3, 32).aluBy("xor", register, 3);
  }

  // Loaded from the map, the hash says nothing to the verifier about the ways to the key, so it checks what follows once.
  a.store(8, 6, hash, 4).load(8, 4, 6, hash);

  // The log. R9 becomes its entry.
  a.load(8, 1, 6, logged).jumpIf("ge", 1, steps, "complete");
  a.aluBy("mov", 2, 1).alu("add", 2, 1).store(8, 6, logged, 2);
  a.alu("lsh", 1, 4).aluBy("mov", 2, 9);
  inMap(9, places.log, 1).store(8, 9, LOG.hash, 2);
  a.load(8, 1, FRAME, BOTH_PORTS).store(4, 9, LOG.ports, 1);
  a.aluBy("mov", 1, 7).alu("lsh", 1, 16).alu("add", 1, NO_GROUP).store(4, 9, LOG.groupAndState, 1);

  // R2 is a place for the group, R3 its number, R5 the number of sockets there.
  for (let probe = 0; probe < PROBES; probe++) {
    a.label(`probe ${probe}`)
      .aluBy("mov", 3, 4)
      .alu("add", 3, probe)
      .alu("and", 3, GROUPS - 1)
      .aluBy("mov", 1, 3)
      .alu("lsh", 1, Math.log2(GROUP_BYTES));
    inMap(2, places.groups, 1).load(4, 5, 2, GROUP.sockets).jumpIf("eq", 5, 0, "new group");
    for (const word of KEY_WORDS) {
      a.load(8, 0, 2, word)
        .load(8, 1, FRAME, KEY + word)
        .jumpIfBy("ne", 0, 1, `probe ${probe + 1}`);
    }
    a.jump("grouped");
  }
  a.label("new group");
  for (const word of KEY_WORDS) a.load(8, 1, FRAME, KEY + word).store(8, 2, word, 1);
  a.load(8, 1, FRAME, BOTH_PORTS).store(4, 2, GROUP.firstPorts, 1).aluBy("mov", 8, 2);
  a.aluBy("mov", 4, 3).alu("rsh", 4, 5).alu("lsh", 4, 2);
  inMap(2, places.used, 4)
    .aluBy("mov", 4, 3)
    .alu("and", 4, 31)
    .alu("mov", 1, 1)
    .aluBy("lsh", 1, 4)
    .load(4, 0, 2, 0)
    .aluBy("or", 0, 1)
    .store(4, 2, 0, 0)
    .aluBy("mov", 2, 8);
  a.label("grouped").alu("add", 5, 1).store(4, 2, GROUP.sockets, 5);
  a.aluBy("mov", 1, 7).alu("lsh", 1, 16).aluBy("add", 1, 3).store(4, 9, LOG.groupAndState, 1);
  a.load(8, 1, FRAME, BOTH_PORTS)
    .alu("and", 1, PORTS - 1)
    .alu("lsh", 1, 2)
    .jumpIf("ne", 7, TCP_ESTABLISHED, "other state");
  inMap(2, places.portEstablished, 1).jump("port").label("other state");
  inMap(2, places.portOthers, 1).label("port").load(4, 3, 2, 0).alu("add", 3, 1).store(4, 2, 0, 3).jump("done");

  a.label(`probe ${PROBES}`)
    .load(8, 3, FRAME, BOTH_PORTS)
    .aluBy("mov", 4, 3)
    .alu("and", 3, PORTS - 1)
    .alu("rsh", 4, 16)
    .load(8, 5, FRAME, KEY)
    .alu("and", 5, 0xff);
}
