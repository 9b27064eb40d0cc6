// The declared state of connections: one typed array per column, with an accessor on the object that handlers receive.
import type { ColumnType } from "../define.js";

const ARRAYS = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

export const COLUMN_TYPES = Object.keys(ARRAYS) as ColumnType[];

type ColumnArray = InstanceType<(typeof ARRAYS)[ColumnType]>;

/** The object whose `slot` selects the connection. */
export interface Cursor {
  slot: number;
}

/** A column's array, replaced whenever it grows. */
interface Column {
  array: ColumnArray;
}

export class StateColumns {
  /** Bytes per connection. */
  readonly slotBytes: number;
  private readonly columns: readonly Column[];
  private readonly names: readonly string[];

  constructor(state: Readonly<Record<string, ColumnType>>, slots: number) {
    this.names = Object.keys(state);
    this.columns = Object.values(state).map((type) => ({ array: new ARRAYS[type](slots) }));
    this.slotBytes = this.columns.reduce((sum, { array }) => sum + array.BYTES_PER_ELEMENT, 0);
  }

  /** Makes room for `slot`. */
  grow(slot: number): void {
    for (const column of this.columns) {
      const { array } = column;
      if (slot < array.length) continue;
      const Type = array.constructor as new (length: number) => ColumnArray;
      column.array = new Type(Math.max(slot + 1, 2 * array.length));
      column.array.set(array);
    }
  }

  reset(slot: number): void {
    for (const column of this.columns) column.array[slot] = 0;
  }

  /** Adds a property for each column to `prototype`, whose instances are cursors. */
  define(prototype: Cursor): void {
    this.columns.forEach((column, n) => {
      Object.defineProperty(prototype, this.names[n]!, accessorOf(column));
    });
  }
}

function accessorOf(column: Column): PropertyDescriptor & ThisType<Cursor> {
  return {
    get() {
      return column.array[this.slot];
    },
    set(value: number) {
      column.array[this.slot] = value;
    },
    enumerable: true,
  };
}
