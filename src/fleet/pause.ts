// Waits with this thread's own setTimeout(), which tests can replace.

/** Resolves after `ms` milliseconds, or when `over` is aborted, so that no timer keeps the program alive. */
export function pause(ms: number, over?: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      over?.removeEventListener("abort", end);
      resolve(undefined);
    };
    const timer = setTimeout(end, over?.aborted ? 0 : ms);
    over?.addEventListener("abort", end, { once: true });
  });
}
