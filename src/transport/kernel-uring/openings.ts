// Opens connections by submitting socket, options, bind and connect together. Only bind and the connects are linked:
// the kernel issues the other entries in order anyway, and a link takes a slower path.
import { readLocalPortRange } from "../../linux/proc/local-ports.js";
import {
  AF_INET,
  AF_INET6,
  IP_BIND_ADDRESS_NO_PORT,
  IP_LOCAL_PORT_RANGE,
  IPPROTO_IP,
  SO_REUSEADDR,
  SOL_SOCKET,
} from "../../linux/syscalls/constants.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushBind, pushConnect, pushSetOption, pushSocket, writeSockaddr } from "../../linux/uring/entries.js";
import type { Ring } from "../../linux/uring/ring.js";
import type { TupleSource } from "../tuple-source.js";
import type { RingSet } from "./ring-set.js";
import { CONNECTING, type Slots } from "./slots.js";
import { TAG, tagOf } from "./tags.js";

/** Number of entries: socket, three options, bind, and connect twice. */
const ENTRIES = 7;
const QUIETLY = SQE_FLAG.skipSuccess;
const OPTION_BYTES = 4;

const one = NativeBuffer.from(new Uint8Array(Int32Array.of(1).buffer));

export class Openings {
  private readonly tuples: TupleSource;
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly ephemeral = readLocalPortRange();
  /** Per slot: the number of the 4-tuple while it is being opened. */
  private numbers: Uint32Array;
  /** Per slot: the number of tuples skipped. Empty until the first tuple turns out to be in use. */
  private passed = new Uint32Array(0);

  constructor(tuples: TupleSource, slots: Slots, rings: RingSet, count: number) {
    this.tuples = tuples;
    this.slots = slots;
    this.rings = rings;
    this.numbers = new Uint32Array(count);
  }

  /** Returns the number of the tuple for `slot`. */
  tuple(slot: number): number {
    return this.numbers[slot]!;
  }

  /**
   * Opens a connection with the next tuple.
   * @returns whether there is a tuple
   */
  open(slot: number): boolean {
    if (slot < this.passed.length) this.passed[slot] = 0;
    return this.push(slot, 0);
  }

  /**
   * Skips this connection's tuple, which is in use, and tries the next.
   * @returns whether there is a tuple
   */
  passOver(slot: number): boolean {
    if (slot >= this.passed.length) {
      const passed = new Uint32Array(Math.max(slot + 1, this.numbers.length));
      passed.set(this.passed);
      this.passed = passed;
    }
    this.passed[slot]! += 1;
    this.slots.beginLife(slot);
    return this.push(slot, this.passed[slot]!);
  }

  private push(slot: number, passedOver: number): boolean {
    const { tuples, slots, rings } = this;
    const tuple = tuples.take(slot, passedOver);
    if (tuple < 0) return false;
    if (slot >= this.numbers.length) this.grow(slot);
    this.numbers[slot] = tuple;
    const unit = rings.unitOf(slot);
    rings.reserve(unit, ENTRIES);
    const { ring } = unit;
    slots.add(slot, CONNECTING);
    const life = slots.life(slot);
    const file = slot - unit.firstSlot;
    const { destination } = tuples;
    // Creating the socket replaces and closes the one of an earlier attempt in the same file.
    const family = destination.family === 4 ? AF_INET : AF_INET6;
    pushSocket(ring, file, family, QUIETLY, slot, tagOf(TAG.socket, life));
    if (!tuples.isUnbound) this.pushBinding(ring, file, slot, life);
    writeSockaddr(ring, destination.words);
    pushConnect(ring, file, destination.length, SQE_FLAG.link | QUIETLY, slot, tagOf(TAG.connect, life));
    // IORING_OP_CONNECT reports success for a SYN that is answered by ICMP within the call, for example by a local
    // firewall, because the error is only a soft one. A second connect() shows the difference: it returns EISCONN if
    // the socket is connected, and EALREADY if it is not.
    writeSockaddr(ring, destination.words);
    pushConnect(ring, file, destination.length, 0, slot, tagOf(TAG.verify, life));
    return true;
  }

  private pushBinding(ring: Ring, file: number, slot: number, life: number): void {
    const { kernelPicksPort, source, sourcePort } = this.tuples;
    const tag = tagOf(TAG.option, life);
    let leavesPort = kernelPicksPort;
    if (!kernelPicksPort) {
      // This lets services that start later bind the port.
      pushSetOption(ring, file, SOL_SOCKET, SO_REUSEADDR, one.address, OPTION_BYTES, QUIETLY, slot, tag);
      const { ephemeral } = this;
      leavesPort = ephemeral !== undefined && sourcePort >= ephemeral.first && sourcePort <= ephemeral.last;
      // The kernel never assigns an explicitly bound port to another connect() in the network namespace, whatever the
      // address.
      if (leavesPort) pushPortRange(ring, file, sourcePort, slot, tag);
    }
    if (leavesPort) {
      const option = IP_BIND_ADDRESS_NO_PORT;
      pushSetOption(ring, file, IPPROTO_IP, option, one.address, OPTION_BYTES, QUIETLY, slot, tag);
    }
    source.setPort(leavesPort ? 0 : sourcePort);
    writeSockaddr(ring, source.words);
    // The entries are linked, so that a failed bind() prevents connecting from another address.
    pushBind(ring, file, source.length, SQE_FLAG.link | QUIETLY, slot, tagOf(TAG.bind, life));
  }

  private grow(slot: number): void {
    const numbers = new Uint32Array(Math.max(slot + 1, this.numbers.length * 2));
    numbers.set(this.numbers);
    this.numbers = numbers;
  }
}

function pushPortRange(ring: Ring, file: number, port: number, slot: number, tag: number): void {
  const at = ring.sockaddrWord;
  ring.sockaddrs[at] = port | (port << 16);
  const address = ring.sockaddrAddress(at);
  pushSetOption(ring, file, IPPROTO_IP, IP_LOCAL_PORT_RANGE, address, OPTION_BYTES, QUIETLY, slot, tag);
}
