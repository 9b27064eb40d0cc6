// Reads the Grafana dashboard of deploy/.
import { readFileSync } from "node:fs";

interface Panel {
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

export function panelsOf(file: string): readonly Panel[] {
  return JSON.parse(readFileSync(file, "utf8")).panels;
}

/** Returns the expressions of all panels. */
export function expressionsOf(file: string): string[] {
  return panelsOf(file).flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}
