// A help topic: the part of a command's help about one protocol, shown by `fourtuple connect --help ws` for example.
import type { Option } from "commander";

export type Role = "connect" | "serve";

export interface Topic {
  readonly options: (role: Role) => Option[];
  readonly examples: Readonly<Record<Role, string>>;
}
