// Tests the texts that the handlers of all workers share.
import { expect, it } from "vitest";
import { Board } from "../../../src/protocols/scripted/board.js";

it("keeps the text of code 0 while another worker is writing an entry", () => {
  const board = new Board();
  // The state of the first entry: claimed, but its code is not stored yet.
  new Int32Array(board.buffer)[4] = 1;
  board.noteRefusal(0, "no more seats");
  expect(board.refusals()).toEqual([{ code: 0, text: "no more seats" }]);
});

it("keeps the first text of each code, whichever worker stored it", () => {
  const board = new Board();
  board.noteRefusal(7, "first");
  const other = new Board(board.buffer);
  other.noteRefusal(7, "second");
  other.noteRefusal(0, "zero");
  expect(board.refusals()).toEqual([
    { code: 0, text: "zero" },
    { code: 7, text: "first" },
  ]);
});
