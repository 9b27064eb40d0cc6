// What a busy host did to a measurement, in words.

/** Shares of the CPU above which a measurement feels them. */
const FELT = { others: 0.1, steal: 0.03 } as const;

interface Load {
  readonly othersShare: number;
  readonly stealShare: number;
}

/** Whether others took so much of the CPU that what was measured may be theirs. */
export function isBusy(load: Load | undefined): boolean {
  return load !== undefined && (load.othersShare >= FELT.others || load.stealShare >= FELT.steal);
}

/** `other programs took 43 % of the CPU, the hypervisor 5 % (steal)`; undefined where nobody took enough to be felt. */
export function describeHostLoad(load: Load | undefined): string | undefined {
  if (load === undefined || !isBusy(load)) return undefined;
  const { othersShare, stealShare } = load;
  const others = `other programs took ${Math.round(othersShare * 100)} % of the CPU`;
  return stealShare < FELT.steal ? others : `${others}, the hypervisor ${Math.round(stealShare * 100)} % (steal)`;
}
