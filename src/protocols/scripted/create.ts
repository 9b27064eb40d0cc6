// Creates a protocol side that runs a script, over a byte stream or WebSocket.
import type { ClientConnections, ClientProtocol, Connections, Protocol } from "../contract.js";
import type { ScriptedSpec } from "../spec/spec.js";
import { loadedScript } from "./file/load.js";
import type { ScriptHost } from "./host.js";
import { StreamLink } from "./link.js";
import { ScriptedSide } from "./side.js";
import { ScriptedWebSocketClient, ScriptedWebSocketServer } from "./websocket.js";

const SLOTS_AT_FIRST = 1024;

/**
 * @param spec spec of the script, whose file must have been loaded in this
 * thread (file/load.ts)
 */
export function createScriptedClient(
  connections: ClientConnections,
  spec: ScriptedSpec,
  host: ScriptHost,
  slots: number,
): ClientProtocol {
  const definition = loadedScript(spec.file);
  if (!spec.webSocket) {
    const link = new StreamLink(connections);
    return new ScriptedSide({ definition, spec, host, link, client: connections, slots });
  }
  return new ScriptedWebSocketClient(
    connections,
    spec.webSocket,
    slots,
    (link) => new ScriptedSide({ definition, spec, host, link, client: connections, slots }),
  );
}

/** @param spec as for createScriptedClient() */
export function createScriptedServer(connections: Connections, spec: ScriptedSpec, host: ScriptHost): Protocol {
  const definition = loadedScript(spec.file);
  const common = { definition, spec, host, client: undefined, slots: SLOTS_AT_FIRST };
  if (!spec.webSocket) return new ScriptedSide({ ...common, link: new StreamLink(connections) });
  return new ScriptedWebSocketServer(connections, spec.webSocket, (link) => new ScriptedSide({ ...common, link }));
}
