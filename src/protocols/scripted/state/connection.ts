// The connection as handlers see it. Each worker has one such object, which the side points at the connection of the
// current event.

import type { ClientOperations, ConnectionBase } from "../define.js";
import { LOOKED_UP, refusingUnknown } from "../unknown-names.js";
import type { Cursor, StateColumns } from "./columns.js";

/** Operations that a side implements for the connection of the current event. */
export interface Operations {
  numberOf(slot: number): number;
  isReady(slot: number): boolean;
  waiting(slot: number): number;
  random(slot: number): number;
  rowOf(slot: number): Readonly<Record<string, string>>;
  send(slot: number, content: string | Uint8Array, start: number | undefined, end: number | undefined): void;
  ready(slot: number): void;
  answered(slot: number, count: number): void;
  missed(slot: number, count: number): void;
  phase(slot: number, name: string): void;
  refused(slot: number, code: number, text: string): void;
  close(slot: number): void;
}

export type AnyConnection = Cursor & ConnectionBase<unknown, string> & ClientOperations<string>;

/** Names that are not allowed for columns. */
export const RESERVED_NAMES = [
  ..."slot number seed isReady metrics row random send ready refused close waiting answered missed phase".split(" "),
  ...LOOKED_UP,
];

/**
 * Returns the object for handlers. Reading or writing a property that does not exist throws an error that lists the
 * valid names.
 */
export function connectionOf(
  operations: Operations,
  columns: StateColumns,
  state: readonly string[],
  { seed, metrics }: { readonly seed: number; readonly metrics: object },
): AnyConnection {
  class Connection extends (missingProperties(state) as new () => object) implements AnyConnection {
    slot = 0;
    readonly seed = seed;
    readonly metrics = metrics;

    get number() {
      return operations.numberOf(this.slot);
    }
    get isReady() {
      return operations.isReady(this.slot);
    }
    get waiting() {
      return operations.waiting(this.slot);
    }
    get row() {
      return operations.rowOf(this.slot);
    }
    random() {
      return operations.random(this.slot);
    }
    send(content: string | Uint8Array, start?: number, end?: number) {
      operations.send(this.slot, content, start, end);
    }
    ready() {
      operations.ready(this.slot);
    }
    answered(count = 1) {
      operations.answered(this.slot, count);
    }
    missed(count = 1) {
      operations.missed(this.slot, count);
    }
    phase(name: string) {
      operations.phase(this.slot, name);
    }
    refused(code: number, text = "") {
      operations.refused(this.slot, code, text);
    }
    close() {
      operations.close(this.slot);
    }
  }
  columns.define(Connection.prototype);
  return Object.preventExtensions(new Connection());
}

/** Returns a class whose prototype handles access to properties that its subclasses lack. */
function missingProperties(state: readonly string[]): unknown {
  const known = state.length > 0 ? `the state has ${state.join(", ")}` : "no state is declared";
  function Base() {}
  Base.prototype = refusingUnknown((name) => `unknown column: ${name} (${known})`);
  return Base;
}
