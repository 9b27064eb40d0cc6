// Tracks the phases declared by a protocol: counts how many connections entered each phase, and measures how
// long they stayed in it.
import { grown } from "../../columns.js";
import type { ScriptHost } from "../host.js";
import { phasePlace } from "../metrics.js";

/** The connection is between ready() and the next phase. */
const NO_PHASE = 255;

export class Phases {
  /** Number of bytes per connection; 0 without phases. */
  readonly slotBytes: number;
  private readonly names: readonly string[];
  private readonly host: ScriptHost;
  private current: Uint8Array<ArrayBuffer>;
  /** Time at which the current phase began. */
  private sinceMs: Float64Array<ArrayBuffer>;

  constructor(names: readonly string[], host: ScriptHost, slots: number) {
    const columns = names.length > 0 ? slots : 0;
    this.slotBytes = names.length > 0 ? 9 : 0;
    this.names = names;
    this.host = host;
    this.current = new Uint8Array(columns);
    this.sinceMs = new Float64Array(columns);
  }

  grow(slot: number): void {
    if (this.names.length === 0 || slot < this.current.length) return;
    this.current = grown(this.current, slot);
    this.sinceMs = grown(this.sinceMs, slot);
  }

  /** Enters the first phase. */
  begin(slot: number): void {
    if (this.names.length > 0) this.start(slot, 0, performance.now());
  }

  /** Ends the current phase and enters another; does nothing if the connection is already in it. */
  enter(slot: number, name: string): void {
    const phase = this.names.indexOf(name);
    if (phase < 0) {
      const known = this.names.length > 0 ? `the phases are ${this.names.join(", ")}` : "no phases are declared";
      throw new RangeError(`unknown phase: ${name} (${known})`);
    }
    if (phase === this.current[slot]) return;
    const nowMs = performance.now();
    this.leave(slot, nowMs);
    this.start(slot, phase, nowMs);
  }

  /** Ends the current phase, if there is one. */
  end(slot: number): void {
    if (this.names.length > 0) this.leave(slot, performance.now());
  }

  private leave(slot: number, nowMs: number): void {
    const phase = this.current[slot]!;
    if (phase === NO_PHASE) return;
    this.host.histograms[phase]!.record((nowMs - this.sinceMs[slot]!) * 1000);
    this.current[slot] = NO_PHASE;
  }

  private start(slot: number, phase: number, nowMs: number): void {
    this.current[slot] = phase;
    this.sinceMs[slot] = nowMs;
    this.host.counters[phasePlace(phase)]! += 1;
  }
}
