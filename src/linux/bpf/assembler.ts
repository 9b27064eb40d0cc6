// Assembles BPF instructions (linux/bpf.h, Documentation/bpf/standardization/instruction-set.rst).

/** Size of an instruction in bytes. */
export const INSTRUCTION_BYTES = 8;
/** Number of instructions for which there is room at first. */
const START_LENGTH = 1024;

const SIZES = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 } as const;
const ALU = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  xor: 0xa0,
  mov: 0xb0,
} as const;
const JUMP = { eq: 0x10, gt: 0x20, ge: 0x30, set: 0x40, ne: 0x50, lt: 0xa0 } as const;
/** Sources of a 64-bit immediate (BPF_PSEUDO_*). */
const PSEUDO_MAP_VALUE = 2;
const PSEUDO_KFUNC_CALL = 2;
const PSEUDO_FUNC = 4;

type Size = keyof typeof SIZES;
type Alu = keyof typeof ALU;
type Jump = keyof typeof JUMP;

/** A program under construction. Registers are numbers 0 to 10; labels are resolved by encode(). */
export class Assembler {
  /** Two words for each instruction: code, registers and offset; immediate. */
  private code = new Int32Array(2 * START_LENGTH);
  private length = 0;
  private readonly labels = new Map<string, number>();
  private readonly references: { readonly at: number; readonly label: string; readonly isFunction: boolean }[] = [];

  /** Index of the instruction at each label. */
  at(label: string): number {
    const at = this.labels.get(label);
    if (at === undefined) throw new Error(`BPF label ${label} is undefined: this is a bug in fourtuple`);
    return at;
  }

  label(name: string): this {
    this.labels.set(name, this.length);
    return this;
  }

  /** `to = *(size *)(base + offset)` */
  load(size: Size, to: number, base: number, offset: number): this {
    return this.emit(0x61 | SIZES[size], to, base, offset, 0);
  }

  /** `*(size *)(base + offset) = from` */
  store(size: Size, base: number, offset: number, from: number): this {
    return this.emit(0x63 | SIZES[size], base, from, offset, 0);
  }

  /** `*(size *)(base + offset) = value` */
  storeValue(size: Size, base: number, offset: number, value: number): this {
    return this.emit(0x62 | SIZES[size], base, 0, offset, value);
  }

  /** 64-bit arithmetic with a constant. */
  alu(operation: Alu, to: number, value: number): this {
    return this.emit(0x07 | ALU[operation], to, 0, 0, value);
  }

  /** 64-bit arithmetic with a register. */
  aluBy(operation: Alu, to: number, from: number): this {
    return this.emit(0x0f | ALU[operation], to, from, 0, 0);
  }

  /** Converts the lower 16 bits between host and network byte order. */
  swap16(register: number): this {
    return this.emit(0xdc, register, 0, 0, 16);
  }

  jump(label: string): this {
    return this.refer(label).emit(0x05, 0, 0, 0, 0);
  }

  /** Compares with a constant; `set` tests for common bits. */
  jumpIf(comparison: Jump, register: number, value: number, label: string): this {
    return this.refer(label).emit(0x05 | JUMP[comparison], register, 0, 0, value);
  }

  jumpIfBy(comparison: Jump, register: number, other: number, label: string): this {
    return this.refer(label).emit(0x0d | JUMP[comparison], register, other, 0, 0);
  }

  call(helper: number): this {
    return this.emit(0x85, 0, 0, 0, helper);
  }

  /**
   * @param btfId type number of a FUNC in the kernel's BTF
   */
  callKernel(btfId: number): this {
    return this.emit(0x85, 0, PSEUDO_KFUNC_CALL, 0, btfId);
  }

  exit(): this {
    return this.emit(0x95, 0, 0, 0, 0);
  }

  /** `to` = an address within the value of a single-element map. */
  mapValue(to: number, mapFd: number, offset = 0): this {
    return this.wide(to, PSEUDO_MAP_VALUE, mapFd, offset);
  }

  /** `to` = the address of a function in this program. */
  functionAt(to: number, label: string): this {
    this.references.push({ at: this.length, label, isFunction: true });
    return this.wide(to, PSEUDO_FUNC, 0, 0);
  }

  encode(): Buffer {
    const { code } = this;
    for (const { at, label, isFunction } of this.references) {
      const distance = this.at(label) - at - 1;
      if (isFunction) code[2 * at + 1] = distance;
      else if (distance !== (distance << 16) >> 16)
        throw new Error(`BPF label ${label} is too far away: this is a bug in fourtuple`);
      else code[2 * at]! |= distance << 16;
    }
    return Buffer.from(code.buffer, 0, this.length * INSTRUCTION_BYTES);
  }

  private refer(label: string): this {
    this.references.push({ at: this.length, label, isFunction: false });
    return this;
  }

  /** A 64-bit immediate takes two instructions. */
  private wide(to: number, source: number, low: number, high: number): this {
    return this.emit(0x18, to, source, 0, low).emit(0, 0, 0, 0, high);
  }

  private emit(code: number, to: number, from: number, offset: number, immediate: number): this {
    const at = 2 * this.length++;
    if (at === this.code.length) {
      const longer = new Int32Array(2 * at);
      longer.set(this.code);
      this.code = longer;
    }
    this.code[at] = code | (to << 8) | (from << 12) | (offset << 16);
    this.code[at + 1] = immediate;
    return this;
  }
}
