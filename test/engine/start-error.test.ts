// Tests that a worker that cannot open its transport advises what helps against its errno, and nothing else.
import { expect, it } from "vitest";
import { startError } from "../../src/engine/threads/start-error.js";
import { EEXIST, EINVAL, EMFILE, ENETDOWN, ENFILE, ENOMEM, ENOSPC, EPERM } from "../../src/linux/syscalls/errno.js";

it.each([
  ["EMFILE", EMFILE, /ulimit -n/],
  ["ENFILE", ENFILE, /fs\.file-max/],
  ["ENOMEM", ENOMEM, /free memory/],
  ["ENOSPC", ENOSPC, /fs\.epoll\.max_user_watches/],
  ["ENETDOWN", ENETDOWN, /network interfaces/],
  ["EPERM", EPERM, /seccomp/],
  ["EINVAL", EINVAL, /report it/],
])("%s", (name, errno, fix) => {
  const error = startError(3, errno);
  expect(error).toMatchObject({ code: "E_WORKER", fix: expect.stringMatching(fix), facts: { errno: name } });
  expect(error.message).toContain(`thread 3 could not start: ${name}`);
});

it("EEXIST says that another run has the addresses", () => {
  expect(startError(0, EEXIST)).toMatchObject({ code: "E_SOURCE", fix: expect.stringContaining("no other run") });
});
