// The part of a terminal that is drawn again and again.
import { shownOn } from "./output.js";

export interface Live {
  /** Draws `text` in the place of what was drawn before. */
  show(text: string): void;
  /** Takes away what is drawn, so that lines can be printed; the next show() draws again below them. */
  clear(): void;
  /** Takes away what is drawn, for good. */
  end(): void;
}

/** A live part at the end of `stream`, or undefined where it is no terminal. */
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
