// Part of a terminal that is redrawn repeatedly.
import { shownOn } from "./output.js";

export interface Live {
  /** Replaces what was drawn before by `text`. */
  show(text: string): void;
  /** Erases what is drawn, so that lines can be printed. The next show() draws below them. */
  clear(): void;
  /** Erases what is drawn, permanently. */
  end(): void;
}

/** Opens a live part at the end of `stream`; undefined if it is not a terminal. */
export async function openLive(stream: NodeJS.WriteStream): Promise<Live | undefined> {
  if (!stream.isTTY || process.env.TERM === "dumb") return undefined;
  const { createLogUpdate } = await import("log-update");
  const update = createLogUpdate(stream);
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
