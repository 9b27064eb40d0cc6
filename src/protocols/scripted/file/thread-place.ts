// Finds the line of a user's file that a thread is executing, by pausing the thread in Node's debugger for a moment.
import type { Session } from "node:inspector";
import { OWN_CODE } from "../../../util/program/files.js";
import { type Place, pathOf } from "./load-failure.js";

/** Time limit for the thread to pause, which it does at its next statement. */
const PAUSE_MS = 1000;

interface Frame {
  readonly location: { readonly scriptId: string; readonly lineNumber: number };
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params: { readonly scriptId: string; readonly url: string; readonly callFrames: readonly Frame[] };
}

/**
 * Returns the innermost line of the user's code that a thread of this process is executing.
 *
 * @param threadId see Worker.threadId
 * @returns undefined if the thread executes no code of the user's, or if this Node has no debugger
 */
export async function placeInThread(threadId: number): Promise<Place | undefined> {
  const inspector = await import("node:inspector").catch(() => undefined);
  if (!inspector) return undefined;
  const session = new inspector.Session();
  session.connect();
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve) => {
      const pause = new Pause(session, threadId, resolve);
      timer = setInterval(() => pause.end(), PAUSE_MS);
    });
  } finally {
    clearInterval(timer);
    session.disconnect();
  }
}

/** Pauses a thread once. A thread that stays paused cannot be terminated, so the debugger is disabled at the end. */
class Pause {
  private readonly session: Session;
  private readonly resolve: (place: Place | undefined) => void;
  private readonly files = new Map<string, string>();
  private place: Place | undefined;
  private attached: string | undefined;
  private commands = 0;
  private last: number | undefined;

  constructor(session: Session, threadId: number, resolve: (place: Place | undefined) => void) {
    this.session = session;
    this.resolve = resolve;
    session.on("NodeWorker.attachedToWorker", ({ params: { sessionId, workerInfo } }) => {
      // The worker's id counts the threads of this session; only the title has the thread's own number.
      if (!workerInfo.title.startsWith(`[worker ${threadId}]`)) return;
      this.attached = sessionId;
      this.send("Debugger.enable");
      this.send("Debugger.pause");
    });
    session.on("NodeWorker.receivedMessageFromWorker", ({ params: { message } }) => this.received(JSON.parse(message)));
    session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  }

  /** Disables the debugger, and gives up when called again: a thread that executes no JavaScript does not respond. */
  end(): void {
    if (this.last !== undefined || this.attached === undefined) this.resolve(this.place);
    else this.last = this.send("Debugger.disable");
  }

  private received({ id, method, params }: Message): void {
    if (method === "Debugger.scriptParsed") this.files.set(params.scriptId, params.url);
    else if (method === "Debugger.paused" && this.last === undefined) {
      this.place = innermost(params.callFrames, this.files);
      this.end();
    } else if (id !== undefined && id === this.last) this.resolve(this.place);
  }

  private send(method: string): number {
    const message = JSON.stringify({ id: ++this.commands, method });
    this.session.post("NodeWorker.sendMessageToWorker", { sessionId: this.attached!, message });
    return this.commands;
  }
}

function innermost(frames: readonly Frame[], files: ReadonlyMap<string, string>): Place | undefined {
  for (const { location } of frames) {
    const url = files.get(location.scriptId) ?? "";
    if (!url.startsWith("file:")) continue;
    const file = pathOf(url);
    if (!file.startsWith(OWN_CODE)) return { file, words: `line ${location.lineNumber + 1}` };
  }
  return undefined;
}
