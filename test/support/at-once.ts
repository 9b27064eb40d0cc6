// Does several things at the same time, such as running programs that mostly wait.

/**
 * Calls `act` for each item, for up to `limit` at the same time. After a failure, no further call begins.
 * @throws what the first failed call has thrown, once all calls have ended
 */
export async function atOnce<T>(limit: number, items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const failures: unknown[] = [];
  const takeTurns = async () => {
    while (left.length > 0 && failures.length === 0)
      await act(left.shift()!).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: limit }, takeTurns));
  if (failures.length > 0) throw failures[0];
}
