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

/**
 * Rows of cells: the first column to the left, the figures to the right.
 *
 * @param limit how wide they may be: a table that is wider has each row's figures in words below its first cell
 * @returns as many texts as rows: of a table that is too wide, of two lines each
 */
export function alignFigures(
  rows: readonly (readonly string[])[],
  indent = "",
  limit: number | undefined = Number.POSITIVE_INFINITY,
): string[] {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const width = indent.length + widths.reduce((sum, each) => sum + each, 0) + 2 * (columns - 1);
  if (width > limit) return stackRows(rows, indent);
  return rows.map((row) => {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)));
    return indent + cells.join("  ");
  });
}

/** A table for a narrow terminal: of the heading its first cell, of each other row the first and below it the others by name. */
export function stackRows([header = [], ...rows]: readonly (readonly string[])[], indent = ""): string[] {
  const [title = "", ...names] = header;
  return [
    `${indent}${title}`,
    ...rows.map(([first = "", ...cells]) => {
      const figures = names.map((name, i) => `${name} ${cells[i]}`).join(", ");
      return `${indent}${first}\n${indent}  ${figures}`;
    }),
  ];
}
