// Computes how many connections each limit on this host allows, given the measured cost of a connection and a message.
// The lowest of these numbers is the ceiling.
import { availableParallelism } from "node:os";
import { predictCapacity } from "../../capacity/predict.js";
import { readMemoryRoom, roomAboveFloor } from "../../engine/memory-floor.js";
import { readDefaultDevice, readLinkSpeed } from "../../linux/proc/net-device.js";
import type { CeilingEvidence, UnnumberedLimit } from "../../results/lab/evidence.js";
import type { LimitRow } from "../../results/limits.js";

/** Interval between messages on each connection. Every message is answered. */
export const HEARTBEAT_SECONDS = 30;
/** Link speed to assume if no link reports its speed. */
const ASSUMED_BITS_PER_SEC = 1e9;

/** Limits that are replaced by measured ones: memory of the host or cgroup, whichever is tighter, CPU and link. */
const MEASURED = ["memory", "cgroup-memory", "cgroup-memory-high", "cpu", "link-speed"];

/** Measured costs of both ends together; undefined if not measured. */
export interface Costs {
  readonly bytesPerConnection: number | undefined;
  readonly cpuSecondsPerMessage: number | undefined;
  /** Bytes in the busier direction, including headers and acknowledgements. */
  readonly wireBytesPerMessage: number | undefined;
}

/**
 * @returns the limits, and whether the lowest is a limit on ports
 */
export async function ceilingOf(
  wanted: number,
  costs: Costs,
): Promise<{ readonly ceiling: CeilingEvidence; readonly isOfPorts: boolean }> {
  const { limits: predicted } = await predictCapacity({
    connections: wanted,
    program: "fourtuple",
    measure: false,
    role: "both",
  });
  const others = predicted.filter(({ id }) => !MEASURED.includes(id));
  const ceiling = ceilingEvidence("both ends", wanted, measured(costs), others);
  const binding = ceiling.limits.find(({ binds }) => binds);
  const isOfPorts = others.some(({ caps, allows }) => caps === "source-ports" && allows === binding?.allows);
  return { ceiling, isOfPorts };
}

/**
 * @param here what is on this machine, such as `both ends`
 * @param measured limits computed by the lab
 * @param predicted the other limits, as doctor predicts them
 */
export function ceilingEvidence(
  here: string,
  wanted: number,
  measured: readonly (readonly [name: string, allows: number | undefined])[],
  predicted: readonly LimitRow[],
): CeilingEvidence {
  const rows: (readonly [name: string, allows: number | undefined, row?: LimitRow])[] = [
    ...measured,
    ...predicted.map((row) => [row.name, typeof row.allows === "number" ? row.allows : undefined, row] as const),
  ];
  const numbered = rows.flatMap(([name, allows]) => (allows === undefined ? [] : [{ name, allows }]));
  const least = Math.min(...numbered.map(({ allows }) => allows));
  return {
    kind: "ceiling",
    title: `What each limit on this machine allows, with ${here} here`,
    wanted,
    limits: numbered.map(({ name, allows }) => ({ name, allows, binds: allows === least })),
    unnumbered: rows.flatMap(([name, allows, row]) => (allows === undefined ? [describe(name, row)] : [])),
  };
}

function measured({ bytesPerConnection, cpuSecondsPerMessage, wireBytesPerMessage }: Costs) {
  const room = readMemoryRoom();
  const cores = availableParallelism();
  const speed = linkSpeed();
  const heartbeat = `a heartbeat every ${HEARTBEAT_SECONDS} s`;
  const bits = wireBytesPerMessage && (wireBytesPerMessage * 8) / HEARTBEAT_SECONDS;
  return [
    [`${room.bound} memory, from the fit`, share(roomAboveFloor(room), bytesPerConnection)],
    [`CPU (${cores} × 100%) with ${heartbeat}`, share(cores * HEARTBEAT_SECONDS, cpuSecondsPerMessage)],
    [`bandwidth (${speed.name}) with ${heartbeat}`, share(speed.bitsPerSec, bits)],
  ] as const;
}

/** Returns how many times `each` fits into `room`; undefined if either is unknown. */
function share(room: number, each: number | undefined): number | undefined {
  if (each === undefined || !(each > 0) || !Number.isFinite(room)) return undefined;
  return Math.max(0, Math.floor(room / each));
}

function linkSpeed(): { readonly name: string; readonly bitsPerSec: number } {
  const device = readDefaultDevice();
  const bitsPerSec = device === undefined ? undefined : readLinkSpeed(device);
  if (bitsPerSec === undefined) return { name: "1 Gbit/s assumed", bitsPerSec: ASSUMED_BITS_PER_SEC };
  return { name: `${bitsPerSec / 1e9} Gbit/s of ${device}`, bitsPerSec };
}

function describe(name: string, row: LimitRow | undefined): UnnumberedLimit {
  if (row === undefined) return { name, allows: "unknown", caps: "held" };
  const allows = row.allows === "unlimited" || row.allows === "unknown" ? row.allows : "other";
  return { name, allows, caps: row.caps };
}
