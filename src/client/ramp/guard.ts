// Whether a ramp goes on: it stops before memory or open files run out, and where it leads nowhere.

import { isBelowFloor, readMemoryRoom } from "../../engine/memory-stop.js";
import { isBelowReserve, readFileRoom } from "../../engine/open-files-stop.js";
import type { RunState } from "../run-state.js";
import { GiveUp, type RampCounts } from "./give-up.js";

export class RampGuard {
  readonly #giveUp: GiveUp;

  constructor(settings: ConstructorParameters<typeof GiveUp>[0]) {
    this.#giveUp = new GiveUp(settings);
  }

  /**
   * Called now and then during the ramp; notes in `state` why it should end.
   *
   * @param meminfo what readMeminfo() has just returned
   * @returns whether it should
   */
  check(state: RunState, counts: RampCounts, meminfo: Record<string, number>): boolean {
    const room = readMemoryRoom(meminfo);
    const files = readFileRoom();
    if (isBelowFloor(room)) state.memoryStop = room;
    else if (files && isBelowReserve(files)) state.fileStop = files;
    else state.gaveUp = this.#giveUp.check(performance.now(), counts);
    return (state.memoryStop ?? state.fileStop ?? state.gaveUp) !== undefined;
  }
}
