// Formats numbers for the table.

/** @param {number} value */
export function formatNumber(value) {
  return Math.round(value).toLocaleString("en");
}

/** @param {number} value */
export function formatBytes(value) {
  return `${formatNumber(value)} B`;
}

/** @param {number} value in bytes */
export function formatMegabytes(value) {
  return `${(value / 1e6).toFixed(1)} MB`;
}

/** @param {number} value in seconds */
export function formatSeconds(value) {
  return `${value.toFixed(2)} s`;
}

/** @param {number} value share of one core */
export function formatPercent(value) {
  return `${(value * 100).toFixed(1)}%`;
}

/** @param {number} value very small share of one core */
export function formatFinePercent(value) {
  return `${(value * 100).toFixed(3)}%`;
}

/**
 * Default format: three significant digits or more.
 *
 * @param {number} value
 */
export function formatFigure(value) {
  return value.toLocaleString(
    "en",
    Math.abs(value) < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 },
  );
}

/** @param {number} value */
export function formatRatio(value) {
  return value.toFixed(2);
}
