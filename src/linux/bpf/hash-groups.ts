// The groups of sockets that the BPF program counted (walk-groups.ts), each shown as the message of its first socket.
import { DIAG_FIELD, DIAG_MESSAGE_BYTES } from "../netlink/diag-message.js";
import { TCP_ESTABLISHED } from "../syscalls/constants.js";
import { GROUP, GROUP_BYTES, GROUPS, type groupPlaces, LOG_BYTES, NO_GROUP } from "./walk-groups.js";

const PORTS = 65_536;

/** Receives a group: its message in HashGroups.bytes, and its number of sockets. */
export type GroupVisit = (offset: number, end: number, sockets: number) => void;

/** Views of the map's value. They are valid until the dump is closed. */
export class HashGroups {
  /** The message of the group being shown. A port that is not kept is the first socket's. */
  readonly bytes = Buffer.alloc(DIAG_MESSAGE_BYTES);
  /** Number of grouped sockets by local port: those in ESTABLISHED, and those in other states. */
  readonly portEstablished: Uint32Array;
  readonly portOthers: Uint32Array;
  /** Four words for each socket of the latest call; see LOG. */
  readonly log: Int32Array;
  /** Whether the message being shown lacks the remote port. */
  isRemotePortOmitted = false;
  private readonly groups: Uint32Array;
  /** A bit for each group that has had sockets. */
  private readonly used: Uint32Array;

  /** @param portBits what to keep of a socket, by port; see PORT_BIT */
  constructor(value: ArrayBuffer, places: ReturnType<typeof groupPlaces>, portBits: Uint8Array) {
    new Uint8Array(value, places.portBits, PORTS).set(portBits);
    this.portEstablished = new Uint32Array(value, places.portEstablished, PORTS);
    this.portOthers = new Uint32Array(value, places.portOthers, PORTS);
    this.groups = new Uint32Array(value, places.groups, (GROUPS * GROUP_BYTES) / 4);
    this.used = new Uint32Array(value, places.used, GROUPS / 32);
    // An earlier dump may have left its counts.
    for (const counts of [this.portEstablished, this.portOthers, this.used, this.groups]) counts.fill(0);
    this.log = new Int32Array(value, places.log, (places.rows - places.log) / 4);
  }

  /** Takes back what a call counted, which is to be repeated. */
  undo(logged: number): void {
    for (let at = 0; at < (logged * LOG_BYTES) / 4; at += LOG_BYTES / 4) {
      const group = this.log[at]! & 0xffff;
      if (group === NO_GROUP) continue;
      const port = this.log[at + 1]! & 0xffff;
      this.groups[(group * GROUP_BYTES + GROUP.sockets) / 4]!--;
      if (this.log[at]! >>> 16 === TCP_ESTABLISHED) this.portEstablished[port]!--;
      else this.portOthers[port]!--;
    }
  }

  /** Visits all groups, once the dump is complete. */
  forEach(visit: GroupVisit): void {
    for (const [i, word] of this.used.entries()) {
      for (let bits = word; bits !== 0; bits &= bits - 1) {
        const group = 32 * i + 31 - Math.clz32(bits & -bits);
        const sockets = this.groups[(group * GROUP_BYTES + GROUP.sockets) / 4]!;
        if (sockets === 0) continue;
        this.show(group);
        visit(0, DIAG_MESSAGE_BYTES, sockets);
      }
    }
  }

  /** Writes the message of a group that has sockets. */
  show(group: number): void {
    const { groups, bytes } = this;
    const at = (group * GROUP_BYTES) / 4;
    bytes[DIAG_FIELD.family] = groups[at]! & 0xff;
    bytes[DIAG_FIELD.state] = groups[at]! >>> 8;
    bytes.writeUInt32LE(groups[at + GROUP.interface / 4]!, DIAG_FIELD.interface);
    const ports = groups[at + GROUP.firstPorts / 4]!;
    bytes.writeUInt16BE(ports & 0xffff, DIAG_FIELD.localPort);
    bytes.writeUInt16BE(ports >>> 16, DIAG_FIELD.remotePort);
    for (let word = 0; word < 4; word++) {
      bytes.writeUInt32LE(groups[at + GROUP.localIp / 4 + word]!, DIAG_FIELD.localIp + 4 * word);
      bytes.writeUInt32LE(groups[at + GROUP.remoteIp / 4 + word]!, DIAG_FIELD.remoteIp + 4 * word);
    }
    this.isRemotePortOmitted = groups[at + GROUP.ports / 4]! >>> 16 === 0;
  }
}
