// The states of a slot, as reported by a transport.

/**
 * The states of a slot. The transport moves a slot from FREE to OPENED; rest() moves it from OPENED to
 * RESTING.
 */
export const SLOT = {
  /** The slot is unused. */
  free: 0,
  /** The handshake is in progress. */
  opening: 1,
  /** ESTABLISHED, with activity expected soon. */
  opened: 2,
  /** ESTABLISHED and marked as idle by its role, so it may be kept in the cheapest form. */
  resting: 3,
} as const;

/** Returned by open() if no slot is available. */
export const NO_ROOM = -1;

/** The errno that stands for a connection to itself. No real errno is 0. */
export const MET_ITSELF = 0;
