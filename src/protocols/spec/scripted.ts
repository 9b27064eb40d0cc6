// Defines the options of scripts, and builds the spec from them and the loaded file.
import { resolve } from "node:path";
import { quoted } from "../../util/printable.js";
import type { LoadedScript } from "../scripted/file/load.js";
import { metricSpecs } from "../scripted/metrics.js";
import type { Address } from "./address.js";
import { invalid } from "./option-checks.js";
import type { ScriptedSpec, WebSocketSpec } from "./spec.js";

export interface ScriptOptions {
  /** File that defines the protocol to use, with `fourtuple/protocol`. The file's code runs in this process. */
  readonly protocol?: string | undefined;
  /** With `protocol`: seed for its handlers' random numbers; default 1. */
  readonly seed?: number | undefined;
  /** With `protocol`: a CSV or JSON-lines file with a row for each connection. */
  readonly data?: string | undefined;
  /**
   * With `data`: whether to use each row only once, so that connections beyond the last row fail. By default, rows
   * are reused.
   */
  readonly dataOnce?: boolean | undefined;
}

/** A loaded script, and the side to run. */
export interface ScriptSide {
  readonly script: LoadedScript;
  readonly side: "client" | "server";
}

const LARGEST_SEED = 2 ** 32 - 1;

/** @throws {AppError} E_OPTION for options that need a script */
export function checkWithoutScript({ seed, data, dataOnce }: ScriptOptions): void {
  const flag = data !== undefined ? "--data" : dataOnce ? "--data-once" : seed !== undefined ? "--seed" : undefined;
  if (flag !== undefined)
    throw invalid(`${flag} requires a protocol of your own`, `add --protocol FILE, or omit ${flag}`);
}

/**
 * @param webSocket spec of the WebSocket, if the script runs over one
 * @throws {AppError} E_OPTION if the script does not support the address or the side, or an option is invalid or missing
 */
export function scriptedSpec(
  address: Address,
  { protocol, seed = 1, data, dataOnce }: ScriptOptions,
  { script: { definition, file, sha256 }, side }: ScriptSide,
  webSocket: WebSocketSpec | undefined,
): ScriptedSpec {
  const { over = "bytes", client, metrics = {}, phases = [] } = definition;
  const handlers = definition[side];
  const name = quoted(protocol!);
  if (!handlers) throw invalid(`${name} defines no ${side}`, `add ${side}: { … } to it`);
  const schemes = over === "websocket" ? (["ws", "wss"] as const) : (["tcp", "tls"] as const);
  if (!schemes.some((scheme) => scheme === address.scheme)) {
    const what = over === "websocket" ? "speaks over WebSocket" : "speaks over a byte stream";
    throw invalid(`${name} ${what}`, `use an address with ${schemes.map((scheme) => `${scheme}://`).join(" or ")}`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > LARGEST_SEED) {
    throw invalid(`invalid seed: ${seed}`, `use a whole number from 0 to ${LARGEST_SEED}`);
  }
  if (dataOnce && data === undefined) throw invalid("--data-once requires a data file", "add --data FILE");
  // A server rarely needs the rows. If a server needs them, reading c.row reports that they are missing.
  if (side === "client" && data === undefined && definition.data !== undefined && definition.data.length > 0) {
    throw invalid(`${name} needs a data file with ${definition.data.join(", ")}`, "add --data users.csv");
  }
  return {
    name: "scripted",
    title: definition.name,
    file,
    sha256,
    webSocket,
    opens: handlers.opened !== undefined,
    sends: side === "client" && client?.due !== undefined,
    isAnswered: client?.expectsAnswers ?? true,
    alternates: client?.oneAtATime ?? false,
    phases: side === "client" ? phases : [],
    metrics: metricSpecs(metrics),
    seed,
    data: data === undefined ? undefined : { file: resolve(data), columns: definition.data ?? [], wraps: !dataOnce },
  };
}
