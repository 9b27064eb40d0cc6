// What survives the programs of a run: its plan, the agents' parts, and the merged result, by key.

export interface RunStore {
  /**
   * Stores a value, if values are kept. Does not reject, because a run must not fail for that.
   * @returns why the value is not kept, if it should be
   */
  put(key: string, value: object): Promise<string | undefined>;
  /**
   * @returns the value; undefined if there is none
   * @throws {AppError} E_FLEET if the value cannot be read
   */
  get(key: string): Promise<unknown>;
  /** @returns all keys that start with `prefix` */
  keys(prefix?: string): Promise<string[]>;
  remove(key: string): Promise<void>;
  /** Why nothing is kept; undefined if values are. */
  readonly obstacle: string | undefined;
}

export const KEYS = {
  plan: (run: string) => `${run}.plan`,
  part: (run: string, agent: string) => `${run}.part.${agent}`,
  result: (run: string) => `${run}.result`,
} as const;
