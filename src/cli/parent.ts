// The program that started this one over an IPC channel, as demo does: it hears of the progress, and its end is ours.

/** Sends a message to it, if there is one. */
export function tellParent(message: object): void {
  // An answer that nobody waits for: the channel may close at any moment.
  if (process.connected) process.send!(message, () => undefined);
}

export function hasParent(): boolean {
  return process.connected === true;
}

/** Calls `listener` once it is gone, even by SIGKILL. @returns a function that forgets the listener */
export function onParentGone(listener: () => void): () => void {
  if (!hasParent()) return () => undefined;
  process.once("disconnect", listener);
  // A listener alone would keep this process alive.
  process.channel?.unref();
  return () => process.off("disconnect", listener);
}
