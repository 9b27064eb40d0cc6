// Calls a script's handlers and shows the main thread which one is running.
import type { ClientHandlers } from "./define.js";
import { takePromise } from "./forbidden.js";
import type { FrameView } from "./frames/frame-view.js";
import { CALL, HANDLER } from "./host.js";
import type { AnyConnection } from "./state/connection.js";

export class HandlerCalls {
  readonly handlers: ClientHandlers<AnyConnection>;
  private readonly connection: AnyConnection;
  private readonly frame: FrameView;
  private readonly words: Int32Array;

  /** @param words see ScriptHost */
  constructor(handlers: ClientHandlers<AnyConnection>, connection: AnyConnection, frame: FrameView, words: Int32Array) {
    this.handlers = handlers;
    this.connection = connection;
    this.frame = frame;
    this.words = words;
  }

  /**
   * Calls a handler for the connection in `slot`.
   * @returns what the handler threw, or undefined
   */
  call(handler: number, slot: number): unknown {
    const { handlers, connection } = this;
    connection.slot = slot;
    let thrown: unknown;
    // A call that a handler causes, for example by ending the connection, must not appear to end the handler.
    const outer = this.words[CALL.handler]!;
    this.begin(handler);
    try {
      let result: unknown;
      if (handler === HANDLER.received) result = handlers.received?.(connection, this.frame);
      else if (handler === HANDLER.due) result = handlers.due?.(connection);
      else if (handler === HANDLER.opened) result = handlers.opened?.(connection);
      else if (handler === HANDLER.tick) result = handlers.tick?.(connection);
      else result = handlers.closing?.(connection);
      if (result !== undefined) refusePromise(result);
    } catch (error) {
      thrown = error ?? new Error(`it threw ${error}`);
    }
    this.words[CALL.handler] = outer;
    const promise = takePromise();
    return thrown ?? promise;
  }

  begin(handler: number): void {
    const { words } = this;
    words[CALL.handler] = handler;
    words[CALL.count] = words[CALL.count]! + 1;
  }

  end(): void {
    this.words[CALL.handler] = 0;
  }
}

function refusePromise(result: unknown): void {
  if (typeof result === "object" && result !== null && "then" in result) {
    throw new TypeError("it returned a promise; handlers must not be async");
  }
}
