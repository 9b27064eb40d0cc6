// Numbers as the table shows them.

/** @param {number} value */
export function formatNumber(value) {
  return Math.round(value).toLocaleString("en");
}

/** @param {number} value */
export function formatBytes(value) {
  return `${formatNumber(value)} B`;
}

/** @param {number} value in seconds */
export function formatSeconds(value) {
  return `${value.toFixed(2)} s`;
}

/** @param {number} value a share of one core */
export function formatPercent(value) {
  return `${(value * 100).toFixed(1)} %`;
}

/** @param {number} value */
export function formatRatio(value) {
  return value.toFixed(2);
}
