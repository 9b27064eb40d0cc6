// The client's transport over io_uring: opening a connection is one chain of entries, of which only the last completes, or the one that
// fails.
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
import { EADDRINUSE, EADDRNOTAVAIL, ECONNRESET, EPIPE } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { closeFd, isItsOwnPeer } from "../../linux/syscalls/socket.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushBind, pushConnect, pushSetOption, pushSocket, writeSockaddr } from "../../linux/uring/entries.js";
import type { Ring } from "../../linux/uring/ring.js";
import { STEP } from "../../util/steps.js";
import type { ClientHandler, ClientTransport, ClientTransportOptions, TupleSource } from "../contract.js";
import { NO_ROOM, SLOT } from "../slot-state.js";
import { LARGEST_RING, type RingUnit } from "./ring-set.js";
import { CONNECTING, STATE_MASK, WAS_RESET } from "./slots.js";
import { TAG } from "./tags.js";
import { UringTransport } from "./transport.js";

/** socket, three options, bind, connect. */
const OPEN_ENTRIES = 6;
const THEN = SQE_FLAG.link | SQE_FLAG.skipSuccess;
const OPTION_BYTES = 4;

const one = NativeBuffer.from(new Uint8Array(Int32Array.of(1).buffer));

export class UringClient extends UringTransport implements ClientTransport {
  private readonly client: ClientHandler;
  private readonly tuples: TupleSource;
  private readonly ephemeral = readLocalPortRange();
  private readonly endsGreeted: "close" | "reset" | undefined;
  /** Connections that are neither at rest nor free. */
  private busy = 0;
  /** Slots of attempts that had no tuple or no ring, and how they failed: told at the end of a turn. */
  private failures: { slot: number; step: number; errno: number }[] = [];

  constructor({ handler, budget, wakeFd, slots, tableSize, tuples, endsGreeted }: ClientTransportOptions) {
    super({ handler, budget, wakeFd, slots, filesEach: Math.min(tableSize, LARGEST_RING), readsUnsent: true });
    this.client = handler;
    this.tuples = tuples;
    this.endsGreeted = endsGreeted;
  }

  open(): number {
    const { slots, rings } = this;
    let slot = slots.take(rings.capacity);
    if (slot < 0) {
      const failed = rings.add();
      if (failed < 0 && this.busy > 0) return NO_ROOM;
      // Beyond the last ring, where nothing is asked for it. There is never a second one: see `busy`.
      slot = slots.take(failed < 0 ? Number.POSITIVE_INFINITY : rings.capacity);
      if (failed < 0) this.failLater(slot, STEP.socket, -failed);
    }
    this.busy++;
    slots.set(slot, SLOT.opening);
    slots.setPassedOver(slot, 0);
    if (slot < rings.capacity) this.pushOpening(slot);
    return slot;
  }

  override rest(slot: number): void {
    if (this.slots.state(slot) !== SLOT.resting) this.busy--;
    super.rest(slot);
  }

  override close(slot: number): void {
    if (this.slots.state(slot) !== SLOT.resting) this.busy--;
    super.close(slot);
  }

  override reset(slot: number): void {
    if (this.slots.state(slot) !== SLOT.resting) this.busy--;
    super.reset(slot);
  }

  protected override get hasMore(): boolean {
    return this.failures.length > 0;
  }

  protected override finishTurn(): void {
    if (this.failures.length === 0) return;
    const { failures } = this;
    this.failures = [];
    for (const { slot, step, errno } of failures) {
      if (this.slots.state(slot) === SLOT.opening) this.fail(slot, step, errno);
    }
  }

  protected override delivered(slot: number): void {
    if (this.endsGreeted === "reset") this.reset(slot);
    else if (this.endsGreeted === "close") this.close(slot);
  }

  protected override complete(_unit: RingUnit, slot: number, tag: number, result: number): void {
    const bits = this.slots.remove(slot, CONNECTING);
    if ((bits & STATE_MASK) === SLOT.free) return;
    switch (tag) {
      case TAG.connect:
        this.connected(slot, result);
        break;
      case TAG.bind:
        if (result === -EADDRINUSE) this.passOver(slot);
        else {
          if (result === -EADDRNOTAVAIL) this.tuples.cannotBind(this.slots.tuple(slot));
          this.fail(slot, STEP.bind, -result);
        }
        break;
      case TAG.socket:
        this.tuples.giveBack(this.slots.tuple(slot));
        this.fail(slot, STEP.socket, -result);
        break;
      default:
        this.fail(slot, STEP.option, -result);
    }
  }

  private connected(slot: number, result: number): void {
    const { slots, tuples } = this;
    // A SYN is refused with ECONNREFUSED: one that was reset had been ESTABLISHED, and its peer may have spoken.
    const wasReset = result === -ECONNRESET || result === -EPIPE;
    if (result < 0 && !wasReset) {
      // A tuple of our own choice that exists already (an old connection, a TIME_WAIT) makes way for the next.
      if (result === -EADDRNOTAVAIL && !tuples.kernelPicksPort) this.passOver(slot);
      else this.fail(slot, STEP.connect, -result);
      return;
    }
    if (tuples.mayMeetItself && this.hasMetItself(slot)) {
      this.client.failed(slot, STEP.connect, 0, false);
      // By RST: a TIME_WAIT of both ends would keep the port from the server.
      if (slots.state(slot) !== SLOT.free) this.reset(slot);
      return;
    }
    slots.set(slot, wasReset ? SLOT.opened | WAS_RESET : SLOT.opened);
    this.client.opened(slot);
    if (slots.state(slot) !== SLOT.free) this.arm(slot, wasReset);
  }

  private hasMetItself(slot: number): boolean {
    const fd = this.descriptorFor(slot);
    if (fd < 0) return false;
    const isSelf = isItsOwnPeer(fd);
    closeFd(fd);
    return isSelf;
  }

  /** Something else has this connection's tuple: it tries the next. */
  private passOver(slot: number): void {
    this.slots.setPassedOver(slot, this.slots.passedOver(slot) + 1);
    this.pushOpening(slot);
  }

  private pushOpening(slot: number): void {
    const { tuples, slots } = this;
    const tuple = tuples.take(slot, slots.passedOver(slot));
    if (tuple < 0) {
      this.failLater(slot, STEP.bind, EADDRNOTAVAIL);
      return;
    }
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, OPEN_ENTRIES);
    const { ring } = unit;
    slots.setTuple(slot, tuple);
    slots.add(slot, CONNECTING);
    const file = slot - unit.firstSlot;
    const { destination } = tuples;
    // In the place of an earlier attempt's socket, which is closed by it.
    pushSocket(ring, file, destination.family === 4 ? AF_INET : AF_INET6, THEN, slot, TAG.socket);
    if (!tuples.isUnbound) this.pushBinding(ring, file, slot);
    writeSockaddr(ring, destination.words);
    pushConnect(ring, file, destination.length, 0, slot, TAG.connect);
  }

  private pushBinding(ring: Ring, file: number, slot: number): void {
    const { kernelPicksPort, source, sourcePort } = this.tuples;
    let leavesPort = kernelPicksPort;
    if (!kernelPicksPort) {
      // Services that start later may bind the port all the same.
      pushSetOption(ring, file, SOL_SOCKET, SO_REUSEADDR, one.address, OPTION_BYTES, THEN, slot, TAG.option);
      const { ephemeral } = this;
      leavesPort = ephemeral !== undefined && sourcePort >= ephemeral.first && sourcePort <= ephemeral.last;
      // A port that is bound by its number is given to no other connect() of the network namespace, whatever the address.
      if (leavesPort) this.pushPortRange(ring, file, sourcePort, slot);
    }
    if (leavesPort) {
      const option = IP_BIND_ADDRESS_NO_PORT;
      pushSetOption(ring, file, IPPROTO_IP, option, one.address, OPTION_BYTES, THEN, slot, TAG.option);
    }
    source.setPort(leavesPort ? 0 : sourcePort);
    writeSockaddr(ring, source.words);
    pushBind(ring, file, source.length, THEN, slot, TAG.bind);
  }

  private pushPortRange(ring: Ring, file: number, port: number, slot: number): void {
    const at = ring.sockaddrWord;
    ring.sockaddrs[at] = port | (port << 16);
    const address = ring.sockaddrAddress(at);
    pushSetOption(ring, file, IPPROTO_IP, IP_LOCAL_PORT_RANGE, address, OPTION_BYTES, THEN, slot, TAG.option);
  }

  private failLater(slot: number, step: number, errno: number): void {
    this.failures.push({ slot, step, errno });
  }

  private fail(slot: number, step: number, errno: number): void {
    // Whether connect() itself answered or the network did is not told by a completion.
    this.client.failed(slot, step, errno, false);
    if (this.slots.state(slot) !== SLOT.free) this.close(slot);
  }
}
