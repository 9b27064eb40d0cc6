// Tests when connections are closed whose peer announced the close but does not close them itself.
import { afterEach, expect, it, vi } from "vitest";
import { Reopenings } from "../../../src/client/exchange/reopenings.js";

afterEach(() => void vi.restoreAllMocks());

it("closes in time when a slot before it was announced again", () => {
  let nowMs = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => nowMs);
  const closed: number[] = [];
  const owner = { reopen: () => true, closeAnnounced: (slot: number) => void closed.push(slot) };
  const reopenings = new Reopenings(owner, new Float64Array(1000), 0);
  reopenings.announced(0);
  nowMs += 10;
  reopenings.announced(1);
  reopenings.ended(0);
  nowMs += 30;
  reopenings.announced(0);
  expect(reopenings.nextInMs(nowMs, true)).toBe(20);
  nowMs += 20;
  reopenings.turn(0);
  expect(closed).toEqual([1]);
  nowMs += 30;
  reopenings.ended(1);
  reopenings.turn(0);
  expect(closed).toEqual([1, 0]);
});
