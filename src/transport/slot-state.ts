// What a slot's connection is at, as a transport tells it.

/** The states of a slot. A transport moves from FREE to OPENED; rest() moves from OPENED to RESTING. */
export const SLOT = {
  /** No connection has this slot. */
  free: 0,
  /** The handshake is under way. */
  opening: 1,
  /** ESTABLISHED, and more is expected soon. */
  opened: 2,
  /** ESTABLISHED, and its role has said that nothing is expected soon: it may be kept where it costs least. */
  resting: 3,
} as const;

/** What open() returns instead of a slot. */
export const NO_ROOM = -1;

/** The errno of a connection that has met itself: no real one is 0. */
export const MET_ITSELF = 0;
