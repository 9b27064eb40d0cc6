// Stops a ramp before the host runs out of memory or open files, or when the ramp
// makes no progress.

import { isBelowFloor, readMemoryRoom } from "../../engine/memory-floor.js";
import { isBelowReserve, readFileRoom } from "../../engine/open-files-reserve.js";
import type { RunState } from "../run-state.js";
import { GiveUp, type RampCounts } from "./give-up.js";

export class RampGuard {
  readonly #giveUp: GiveUp;

  constructor(settings: ConstructorParameters<typeof GiveUp>[0]) {
    this.#giveUp = new GiveUp(settings);
  }

  /**
   * This is called regularly during the ramp. Checks whether the ramp should end,
   * and records the reason in `state`.
   *
   * @param meminfo fresh result of readMeminfo()
   * @returns whether the ramp should end
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
