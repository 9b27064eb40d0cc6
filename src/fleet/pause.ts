// Waits with this thread's own setTimeout(), which tests can replace.

/** Resolves after `ms` milliseconds. */
export function pause(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined);
  });
}
