// Figures that pressure on ports is judged by.

/** From this share on a destination is marked. */
export const PRESSURE_MARK = 0.8;
/** 1024 to 65,535: what explicit binds have without a privilege. */
export const EXPLICIT_PORTS = 64_512;
