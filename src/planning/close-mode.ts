// How connections are closed: with RST where they are many, so that no TIME_WAIT stays; else in order, with FIN.

/** Connections from which on RST is the default: more than these. */
export const RST_ABOVE = 1000;

/** The close mode of a run that is given none. */
export function closeModeFor(connections: number): "rst" | "fin" {
  return connections > RST_ABOVE ? "rst" : "fin";
}
