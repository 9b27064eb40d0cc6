// Predicts the memory of a load while it opens, from the slope of its first part.
import { readMemoryRoom, roomAboveFloor } from "../../engine/memory-floor.js";
import { readMemoryUse } from "../../engine/memory-use.js";
import { readResidentBytes } from "../../linux/proc/procfs.js";
import { fitLine, type Line } from "./fit.js";

/** Share of the connections from which the rest is predicted, and their maximum number. */
const CALIBRATION = { share: 0.5, most: 250_000 } as const;
/** Share of the first part that is left out, because it includes one-time costs. */
const SKIPPED_SHARE = 0.05;
/** Share of the variance that a line must explain to predict anything. */
const LEAST_R2 = 0.98;

export interface Point {
  readonly connections: number;
  readonly kernelBytes: number;
  readonly userBytes: number;
}

/** Prediction made when the first part was open. */
export interface Forecast {
  /** Number of connections open at that time. */
  readonly madeAt: number;
  readonly kernel: Line;
  /** Kernel memory that the load had taken by then. */
  readonly takenBytes: number;
  /** Bytes per connection in the processes; 0 if they did not grow. */
  readonly userBytesPerConnection: number;
  /** Number of connections for which memory suffices; unknown in a cgroup, which counts in another way. */
  readonly memoryAllows: number | undefined;
}

export class Forecaster {
  points: Point[] = [];
  forecast: Forecast | undefined;
  readonly #pids: readonly number[];
  /** Number of connections from which to make the forecast. */
  #calibration: number;
  /** Number of connections from which to take points. */
  readonly #skipped: number;
  /** Kernel memory before the first connection. */
  #baseBytes = readMemoryUse().kernelBytes;

  /** @param pids processes of the load, apart from the client */
  constructor(connections: number, pids: readonly number[]) {
    this.#pids = pids;
    this.#calibration = Math.min(connections * CALIBRATION.share, CALIBRATION.most);
    this.#skipped = this.#calibration * SKIPPED_SHARE;
  }

  /** Takes a point. Makes the forecast as soon as the first part is open, and memory grows steadily. */
  note(connections: number, clientPid: number): void {
    if (connections === 0) this.#baseBytes = readMemoryUse().kernelBytes;
    if (this.forecast || connections < this.#skipped) return;
    const userBytes = [...this.#pids, clientPid].reduce((sum, pid) => sum + (readResidentBytes(pid) ?? 0), 0);
    this.points.push({ connections, kernelBytes: readMemoryUse().kernelBytes, userBytes });
    if (connections >= this.#calibration) this.#forecast(connections);
  }

  /** Returns how much kernel memory the load has taken so far. */
  takenBytes(): number {
    return readMemoryUse().kernelBytes - this.#baseBytes;
  }

  /** Returns how much kernel memory this many connections should take, with one-time costs. */
  predictedBytes({ kernel: { intercept, slope } }: Forecast, connections: number): number {
    return intercept - this.#baseBytes + slope * connections;
  }

  #forecast(connections: number): void {
    const kernel = fitLine(this.points.map(({ connections, kernelBytes }) => [connections, kernelBytes]));
    const user = fitLine(this.points.map(({ connections, userBytes }) => [connections, userBytes]));
    if (!kernel || kernel.slope <= 0 || kernel.r2 < LEAST_R2) {
      // The kernel may have been freeing the memory of something that ended before, so try again without the beginning.
      this.points = this.points.slice(Math.floor(this.points.length / 2));
      this.#calibration = 2 * connections - this.points[0]!.connections;
      return;
    }
    const userBytesPerConnection = Math.max(0, user?.slope ?? 0);
    const room = readMemoryRoom();
    const more = roomAboveFloor(room) / (kernel.slope + userBytesPerConnection);
    this.forecast = {
      madeAt: connections,
      kernel,
      takenBytes: this.takenBytes(),
      userBytesPerConnection,
      memoryAllows: room.bound === "host" ? Math.max(0, Math.floor(connections + more)) : undefined,
    };
  }
}
