// The files of a user-defined protocol, on the coordinator's host and on an agent's.
import type { ScriptedSpec } from "../protocols/spec/spec.js";

/** Their paths on the coordinator's host, and their contents for the agents. */
export interface Code extends Pick<ScriptedSpec, "title" | "file" | "sha256" | "contents"> {
  readonly data?: Pick<NonNullable<ScriptedSpec["data"]>, "file"> | undefined;
}

/** Their paths on an agent's host. */
export interface StoredCode {
  readonly file: string;
  /** The data file, if there is one. */
  readonly data?: string | undefined;
}
