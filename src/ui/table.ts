// Text in columns: labels with their values, and tables of figures.

/** Rows of a label and its text, the texts one under the other; a row without text is left out. */
export function alignLabels(
  rows: readonly (readonly [label: string, text: string | undefined])[],
  indent = "",
): string[] {
  const shown = rows.filter((row): row is readonly [string, string] => row[1] !== undefined);
  const width = Math.max(0, ...shown.map(([label]) => label.length));
  return shown.map(([label, text]) => `${indent}${label.padEnd(width)}  ${text}`);
}

/** Rows of cells: the first column to the left, the figures to the right. */
export function alignFigures(rows: readonly (readonly string[])[], indent = ""): string[] {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)));
    return indent + cells.join("  ");
  });
}
