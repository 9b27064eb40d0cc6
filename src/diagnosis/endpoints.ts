// A run's destinations as addresses and ports.
import type { ConnectResult, Endpoint } from "../results/connect.js";
import { parseHostPorts } from "../util/endpoint.js";

/** In their order. Results of older versions have them as text alone, in which they were printed. */
export function endpointsOf({ endpoints, destinations }: ConnectResult): readonly Endpoint[] {
  return endpoints ?? destinations.map(parseDestination);
}

function parseDestination(text: string): Endpoint {
  try {
    const { host, ports } = parseHostPorts(text);
    return { ip: host, port: ports.first };
  } catch {
    // Whoever wrote the file wrote something else: no listener has this.
    return { ip: text, port: 0 };
  }
}
