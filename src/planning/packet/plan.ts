// Plans what a run without kernel sockets needs from the host: a TUN device per worker, the blocks of addresses that
// are routed to each device, and the 4-tuples of each worker. Pure functions.
import { formatIp, fromInteger, toInteger } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { AppError } from "../../util/errors.js";
import { type Destination, portCount, type SourcePorts, type TuplePlan } from "../tuple-plan.js";

/** A block of addresses: those that share the first `bits` bits with `first`. */
export interface AddressBlock extends Pick<AddressRange, "first"> {
  readonly bits: number;
}

/** The TUN device and 4-tuples of one worker. Plain data that can be passed to a thread. */
export interface PacketWorker {
  readonly device: { readonly routes: readonly AddressBlock[]; readonly mtu: number; readonly txQueueLength: number };
  /** The worker's part of the plan. The transport uses the ports of a range in ascending order. */
  readonly plan: TuplePlan;
  readonly tuples: {
    readonly sources: readonly AddressRange[];
    readonly firstPort: number;
    readonly portCount: number;
    readonly destinations: readonly Destination[];
  };
}

/** Largest MTU of a device: that of an Ethernet. */
export const MOST_MTU = 1500;
/** Room for several times as many packets as there are handshakes in flight. */
export const TX_QUEUE_LENGTH = 20_000;
/** A worker numbers its tuples with 31 bits. */
const MOST_TUPLES = 2 ** 30;
/**
 * Smallest block, a /24, that gets back the two addresses that CIDR notation leaves out, to need a single route. A
 * smaller one may be a range whose neighbours belong to others, and needs few routes anyway.
 */
export const LEAST_TRIMMED = 256;

/**
 * Divides a plan's sources among workers, so that each device has blocks of addresses of its own: a device with several
 * queues would deal packets out by a hash.
 *
 * @param connections number of connections of each worker
 * @param mtu MTU of the devices
 * @returns one entry per worker; a single one if the sources cannot be divided
 */
export function planPacketWorkers(plan: TuplePlan, connections: readonly number[], mtu = MOST_MTU): PacketWorker[] {
  const [{ sources, destinations } = { sources: [], destinations: [] }, ...others] = plan.groups;
  if (others.length > 0) {
    throw new AppError("E_OPTION", "--transport packet cannot reach destinations of both address families in one run", {
      fix: "add -4 or -6, or use one run for each",
    });
  }
  const blocks = sources.flatMap(blocksOf);
  const perSource = portCount(plan.ports) * destinations.length;
  const divided = divide(blocks, connections.length).map((part) => ({ part, sources: within(sources, part) }));
  const isEnough = divided.every(({ sources: own }, n) => countOf(own) * perSource >= connections[n]!);
  const parts = divided.length === connections.length && isEnough ? divided : [{ part: blocks, sources }];
  const range = plan.ports.chosenBy === "us" ? plan.ports.range : { first: 1, last: 1 };
  const most = Math.floor(MOST_TUPLES / perSource);
  const count = portCount(plan.ports);
  const ports: SourcePorts = {
    chosenBy: "us",
    range: { first: range.first, last: range.first + count - 1 },
    startAt: range.first,
  };
  return parts.map(({ part, sources: own }) => {
    const used = firstOf(own, most).flatMap(splitAtWords);
    return {
      device: { routes: part, mtu, txQueueLength: TX_QUEUE_LENGTH },
      plan: { ports, groups: [{ sources: used, destinations }] },
      tuples: { sources: used, firstPort: range.first, portCount: count, destinations },
    };
  });
}

/** Returns the device of a server that listens on these addresses. */
export function deviceFor(addresses: readonly AddressRange[], mtu: number): PacketWorker["device"] {
  return { routes: addresses.flatMap(blocksOf), mtu, txQueueLength: TX_QUEUE_LENGTH };
}

/** @throws {AppError} E_OPTION if a run needs something that this transport does not support */
export function checkPacketOptions(spec: {
  readonly sources?: unknown;
  readonly sourcePorts?: unknown;
  readonly oneTable?: boolean | undefined;
}): void {
  if (spec.sources === undefined) {
    throw new AppError("E_OPTION", "--transport packet needs source addresses that belong to no host", {
      fix: "use a block that nobody uses, such as --source-ip 10.64.0.0/10",
    });
  }
  if (spec.sourcePorts === "kernel" || spec.oneTable) {
    const option = spec.oneTable ? "--one-table" : "--source-ports kernel";
    throw new AppError("E_OPTION", `${option} has no effect with --transport packet`, { fix: `leave out ${option}` });
  }
}

/** @throws {AppError} E_OPTION if ACKs are to be delayed by the kernel, which decides itself */
export function checkDelayedAck({
  transport,
  delayedAck,
}: {
  transport?: string | undefined;
  delayedAck?: boolean | undefined;
}): void {
  if (!delayedAck || transport === "packet") return;
  throw new AppError("E_OPTION", "--delayed-ack requires --transport packet", { fix: "omit --delayed-ack" });
}

/** Returns the blocks of a range. The two addresses that parsing CIDR notation leaves out are included again. */
export function blocksOf({ first, count }: AddressRange): AddressBlock[] {
  const { family } = first;
  const start = toInteger(first);
  const whole = BigInt(count) + 2n;
  const isBlock = (whole & (whole - 1n)) === 0n && start % whole === 1n;
  const isTrimmed = family === 4 && whole >= BigInt(LEAST_TRIMMED) && isBlock;
  return exactBlocks(isTrimmed ? start - 1n : start, isTrimmed ? whole : BigInt(count), family);
}

function exactBlocks(start: bigint, count: bigint, family: 4 | 6): AddressBlock[] {
  const blocks: AddressBlock[] = [];
  const width = family === 4 ? 32 : 128;
  let [at, left] = [start, count];
  while (left > 0n) {
    let size = 1n;
    let bits = width;
    while (bits > 0 && at % (size * 2n) === 0n && size * 2n <= left) {
      size *= 2n;
      bits--;
    }
    blocks.push({ first: fromInteger(at, family), bits });
    at += size;
    left -= size;
  }
  return blocks;
}

/** Deals blocks to `count` parts, the largest first, after halving the largest until there are enough of them. */
function divide(blocks: readonly AddressBlock[], count: number): AddressBlock[][] {
  const all = [...blocks].sort((a, b) => a.bits - b.bits);
  // If `count` is a power of two, halving alone yields equal parts.
  const wanted = (count & (count - 1)) === 0 ? count : count * 4;
  while (all.length < wanted && count > 1) {
    const largest = all.shift()!;
    if (largest.bits === widthOf(largest)) return [[...blocks]];
    const bits = largest.bits + 1;
    const second = toInteger(largest.first) + (1n << BigInt(widthOf(largest) - bits));
    all.push({ first: largest.first, bits }, { first: fromInteger(second, largest.first.family), bits });
    all.sort((a, b) => a.bits - b.bits);
  }
  const parts = Array.from({ length: count }, () => ({ blocks: [] as AddressBlock[], size: 0 }));
  for (const block of all) {
    const smallest = parts.reduce((least, part) => (part.size < least.size ? part : least));
    smallest.blocks.push(block);
    smallest.size += 2 ** (widthOf(block) - block.bits);
  }
  return parts.map((part) => part.blocks);
}

function widthOf({ first }: AddressBlock): number {
  return first.bytes.length * 8;
}

/** Returns the part of the ranges that is in the blocks. */
function within(ranges: readonly AddressRange[], blocks: readonly AddressBlock[]): AddressRange[] {
  return blocks.flatMap((block) =>
    ranges.flatMap(({ first, count }) => {
      const [start, blockStart] = [toInteger(first), toInteger(block.first)];
      const from = later(start, blockStart);
      const end = start + BigInt(count);
      const blockEnd = blockStart + (1n << BigInt(widthOf(block) - block.bits));
      const to = end < blockEnd ? end : blockEnd;
      return to > from ? [{ first: fromInteger(from, first.family), count: Number(to - from) }] : [];
    }),
  );
}

function later(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

function countOf(ranges: readonly AddressRange[]): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

/** Returns the first `most` addresses. */
function firstOf(ranges: readonly AddressRange[], most: number): AddressRange[] {
  const found: AddressRange[] = [];
  let left = most;
  for (const { first, count } of ranges) {
    if (left > 0) found.push({ first, count: Math.min(count, left) });
    left -= count;
  }
  return found;
}

/** Splits a range where the last 32 bits of its addresses begin again. */
function splitAtWords({ first, count }: AddressRange): AddressRange[] {
  const start = toInteger(first);
  const next = ((start >> 32n) + 1n) << 32n;
  const own = Number(next - start);
  if (own >= count) return [{ first, count }];
  return [{ first, count: own }, ...splitAtWords({ first: fromInteger(next, first.family), count: count - own })];
}

/** Formats as `10.64.0.0/10`. */
export function formatBlock({ first, bits }: AddressBlock): string {
  return `${formatIp(first)}/${bits}`;
}
