// Options of `fourtuple ports` as parsed from the command line.
import type { NamespaceOptions } from "../netns.js";
import type { FilterOptions } from "./query.js";

export interface PortsCommandOptions extends FilterOptions, NamespaceOptions {
  readonly allNetns?: boolean;
  readonly listening?: boolean;
  readonly pressure?: boolean;
  readonly top: number;
  readonly list?: boolean;
  readonly header: boolean;
  readonly watch?: boolean;
  readonly process?: boolean;
  readonly metrics?: boolean;
  readonly failAbove?: number;
  readonly json?: boolean;
  readonly map?: string | true;
}
