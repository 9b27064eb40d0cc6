// Chooses how to close connections: with an RST if there are many, to avoid TIME_WAIT, and otherwise with a FIN.

/** Number of connections above which RST is the default. */
export const RST_ABOVE = 1000;

/** Returns the default close mode of a run. */
export function closeModeFor(connections: number): "rst" | "fin" {
  return connections > RST_ABOVE ? "rst" : "fin";
}
