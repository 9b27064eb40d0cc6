// Thresholds for port pressure.

/** Minimum share for which a destination is marked. */
export const PRESSURE_MARK = 0.8;
/** Number of ports from 1024 to 65,535, which can be bound explicitly without privileges. */
export const EXPLICIT_PORTS = 64_512;
