// Describes how a busy host affected a measurement.

/** The shares of the CPU above which other load affects a measurement. */
const FELT = { others: 0.1, steal: 0.03 } as const;

interface Load {
  readonly othersShare: number;
  readonly stealShare: number;
}

/** Returns whether other programs or the hypervisor took enough CPU to affect a measurement. */
export function isBusy(load: Load | undefined): boolean {
  return load !== undefined && (load.othersShare >= FELT.others || load.stealShare >= FELT.steal);
}

/**
 * Returns a text such as `other programs took 43% of the CPU, the hypervisor 5% (steal)`; undefined if the host was
 * not busy.
 */
export function describeHostLoad(load: Load | undefined): string | undefined {
  if (load === undefined || !isBusy(load)) return undefined;
  const { othersShare, stealShare } = load;
  const others = `other programs used ${Math.round(othersShare * 100)}% of the CPU`;
  return stealShare < FELT.steal ? others : `${others}, the hypervisor ${Math.round(stealShare * 100)}% (steal)`;
}
