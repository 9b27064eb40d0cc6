// A protocol's topic of a command's help, shown by `fourtuple connect --help ws`.
import type { Option } from "commander";

export type Role = "connect" | "serve";

export interface Topic {
  readonly options: (role: Role) => Option[];
  readonly examples: Readonly<Record<Role, string>>;
}
