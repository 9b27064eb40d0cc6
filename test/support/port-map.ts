// Reads the lit cells of each field back from a picture of ports, without the code that drew it.

/** Returns how many times the path's rectangles cover each of the 256 × 256 cells. */
export function cellsOfPath(path: string): Uint8Array {
  const cells = new Uint8Array(65_536);
  let [x, y] = [0, 0];
  for (const [, pen, dx, dy, width, height] of path.matchAll(/([Mm])(-?\d+) (-?\d+)h(\d+)v(\d+)h-\d+z/g)) {
    x = (pen === "M" ? 0 : x) + Number(dx);
    y = (pen === "M" ? 0 : y) + Number(dy);
    for (let row = y; row < y + Number(height); row++) {
      for (let column = x; column < x + Number(width); column++) cells[row * 256 + column]!++;
    }
  }
  return cells;
}

export interface LitField {
  readonly ip: string;
  readonly role: string;
  /** Number of ports counted in the drawing. */
  readonly lit: number;
  /** Number of ports stated in the file. */
  readonly ports: number;
}

/** Returns every field of an SVG or HTML file in drawing order. */
export function litFields(text: string): LitField[] {
  const pattern =
    /<g class="field" data-ip="([^"]*)" data-role="(\w+)" data-ports="(\d+)"[\s\S]*?class="lit[^"]*" d="([^"]*)"/g;
  return [...text.matchAll(pattern)].map(([, ip, role, ports, path]) => ({
    ip: ip!,
    role: role!,
    lit: cellsOfPath(path!).reduce((sum, times) => sum + times, 0),
    ports: Number(ports),
  }));
}
