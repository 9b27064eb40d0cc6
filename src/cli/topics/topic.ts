// Defines a help topic: the part of a command's help that covers one protocol, such as `fourtuple connect
// --help ws`.
import type { Option } from "commander";

export type Role = "connect" | "serve";

export interface Topic {
  readonly options: (role: Role) => Option[];
  readonly examples: Readonly<Record<Role, string>>;
}
