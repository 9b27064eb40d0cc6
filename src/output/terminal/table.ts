// Formats text in columns: labels with their values, and tables of figures.

/** Aligns labels and their texts. Rows without text are omitted. */
export function alignLabels(
  rows: readonly (readonly [label: string, text: string | undefined])[],
  indent = "",
): string[] {
  const shown = rows.filter((row): row is readonly [string, string] => row[1] !== undefined);
  const width = Math.max(0, ...shown.map(([label]) => label.length));
  return shown.map(([label, text]) => `${indent}${label.padEnd(width)}  ${text}`);
}

/**
 * Aligns cells: the first column to the left, figures to the right.
 *
 * @param limit maximum width; the rows of a wider table list their figures by name below the first cell
 * @returns one text per row, which consists of two lines if the table is too wide
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

/**
 * Formats a table for a narrow terminal: the first cell of each row, and below it the other cells with their
 * headings.
 */
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
