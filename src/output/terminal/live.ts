// A part of the terminal that is redrawn repeatedly.
import { shownOn } from "./output.js";

/** Size assumed for a terminal that does not know its own, as in some CI systems (`stty rows 0`). */
const [ROWS, COLUMNS] = [24, 80];

export interface Live {
  /** Replaces what was drawn before by `text`. */
  show(text: string): void;
  /** Erases what is drawn, so that lines can be printed. The next show() draws below those lines. */
  clear(): void;
  /** Erases what is drawn, permanently. */
  end(): void;
}

/** Opens a live part at the end of `stream`; undefined if it is not a terminal. */
export async function openLive(stream: NodeJS.WriteStream): Promise<Live | undefined> {
  if (!stream.isTTY || process.env.TERM === "dumb") return undefined;
  const { createLogUpdate } = await import("log-update");
  const update = createLogUpdate(sized(stream));
  let isShown = false;
  const clear = () => {
    if (isShown) update.clear();
    isShown = false;
  };
  return {
    show(text) {
      update(shownOn(stream, text));
      isShown = true;
    },
    clear,
    end() {
      clear();
      update.done();
    },
  };
}

/** Returns the terminal with a size, even if it does not know its own. */
function sized(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  return {
    get rows() {
      return stream.rows || ROWS;
    },
    get columns() {
      return stream.columns || COLUMNS;
    },
    write: (text: string) => stream.write(text),
  } as NodeJS.WriteStream;
}
