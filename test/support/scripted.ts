// Runs one side of a script without a worker: the script's memory is here, and a test host records what
// the script does.
import type { ClientConnections } from "../../src/protocols/contract.js";
import { Board } from "../../src/protocols/scripted/board.js";
import type { ProtocolDefinition } from "../../src/protocols/scripted/define.js";
import { checkDefinition } from "../../src/protocols/scripted/file/check.js";
import type { Rows } from "../../src/protocols/scripted/file/rows.js";
import { CALL, type ScriptHost } from "../../src/protocols/scripted/host.js";
import { StreamLink } from "../../src/protocols/scripted/link.js";
import { layoutOf, metricSpecs } from "../../src/protocols/scripted/metrics.js";
import { ScriptedSide } from "../../src/protocols/scripted/side.js";
import type { ScriptedSpec } from "../../src/protocols/spec/spec.js";
import { Histogram } from "../../src/results/histogram/histogram.js";

export interface SideOptions {
  readonly isServer?: boolean;
  readonly slots?: number;
  readonly seed?: number;
  readonly rows?: Rows;
  /** Path of the script, as it appears in its stack traces. */
  readonly file?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: definitions of any columns
export type AnyDefinition = ProtocolDefinition<any, any, any, any>;

/** Returns one side of a definition, and the state that its worker would share with the main thread. */
export function sideOf(connections: ClientConnections, definition: AnyDefinition, options: SideOptions = {}) {
  const { isServer = false, slots = 16, seed = 1, rows, file = "/test.mjs" } = options;
  checkDefinition(definition, "test.mjs");
  const handlers = isServer ? definition.server : definition.client;
  const spec: ScriptedSpec = {
    name: "scripted",
    title: definition.name,
    file,
    sha256: "",
    opens: handlers?.opened !== undefined,
    sends: definition.client?.due !== undefined,
    isAnswered: definition.client?.expectsAnswers ?? true,
    alternates: definition.client?.oneAtATime ?? false,
    phases: definition.phases ?? [],
    metrics: metricSpecs(definition.metrics ?? {}),
    seed,
  };
  const layout = layoutOf(spec);
  let number = 0;
  const host: ScriptHost = {
    counters: new Float64Array(layout.counters),
    histograms: Array.from({ length: layout.histograms }, () => new Histogram()),
    calls: new Int32Array(CALL.words),
    board: new Board(),
    rows,
    nextNumber: () => ++number,
  };
  const link = new StreamLink(connections);
  const side = new ScriptedSide({ definition, spec, host, link, client: isServer ? undefined : connections, slots });
  return { side, host, spec };
}
