// Checks the types of the installed package as a TypeScript program sees them: every field has a type, without zod.
import { type ConnectResult, connect, type LabResult, type SocketTable } from "fourtuple";

const run = await connect({ to: "127.0.0.1:7777", connections: 3 });
const result: ConnectResult = await run.done;
const errno: string | undefined = result.failures[0]?.errno;
// @ts-expect-error a number
const text: string = result.established;
// @ts-expect-error read only
result.established = 3;
// @ts-expect-error one of six kinds
const kind: LabResult["experiments"][number]["evidence"][number]["kind"] = "nonsense";

export function check(table: SocketTable): unknown {
  // @ts-expect-error no such field
  return [errno, text, kind, table.nonsense];
}
