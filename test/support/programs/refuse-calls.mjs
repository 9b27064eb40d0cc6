// Executes another program for which the kernel rejects certain system calls with EPERM, as containers and hardened
// hosts do with seccomp. Options: { refused, command, args }. The filter applies to this thread and survives exec, so
// the process stays the same, and signals and the exit code are those of the program.
import { createRequire } from "node:module";

// System call numbers: asm/unistd_64.h for x64, asm-generic/unistd.h for arm64.
const NUMBERS = {
  x64: { socket: 41, unshare: 272, io_uring_setup: 425, epoll_pwait2: 441 },
  arm64: { socket: 198, unshare: 97, io_uring_setup: 425, epoll_pwait2: 441 },
}[process.arch];
const AUDIT_ARCH = { x64: 0xc000003e, arm64: 0xc00000b7 }[process.arch];

const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2;
const SIGPIPE = 13;
const F_SETFD = 2;
const AF_NETLINK = 16;

// struct seccomp_data: int nr, u32 arch, u64 instruction_pointer, u64 args[6].
const CALL_NUMBER = 0;
const ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;

const load = (offset) => [0x20, 0, 0, offset];
/** Continues with the next instruction if the loaded word is `value`, otherwise skips `skip` instructions. */
const only = (value, skip) => [0x15, 0, skip, value];
const ALLOW = [0x06, 0, 0, 0x7fff0000];
const REFUSE = [0x06, 0, 0, 0x00050001];

function ruleFor(name) {
  if (name === "netlink")
    return [load(CALL_NUMBER), only(NUMBERS.socket, 3), load(FIRST_ARGUMENT), only(AF_NETLINK, 1), REFUSE];
  if (NUMBERS[name] === undefined) throw new Error(`no number is known of the system call ${name}`);
  return [load(CALL_NUMBER), only(NUMBERS[name], 1), REFUSE];
}

const { refused, command, args } = JSON.parse(process.argv[2]);
const rules = refused.flatMap(ruleFor);
const filter = [load(ARCHITECTURE), only(AUDIT_ARCH, rules.length), ...rules, ALLOW];
// struct sock_filter: u16 code, u8 jump if true, u8 jump if false, u32 operand.
const instructions = Buffer.alloc(8 * filter.length);
for (const [i, [code, jumpTrue, jumpFalse, operand]] of filter.entries()) {
  instructions.writeUInt16LE(code, 8 * i);
  instructions.writeUInt8(jumpTrue, 8 * i + 2);
  instructions.writeUInt8(jumpFalse, 8 * i + 3);
  instructions.writeUInt32LE(operand, 8 * i + 4);
}

const koffi = createRequire(import.meta.url)("koffi");
const program = koffi.load(null);
const prctl = program.func("int prctl(int option, ulong a, uintptr_t b, ulong c, ulong d)");
const signal = program.func("uintptr_t signal(int signal, uintptr_t handler)");
const fcntl = program.func("int fcntl(int fd, int command, ...)");
const execvp = program.func("int execvp(const char *file, const char **args)");
// struct sock_fprog: u16 length, and a pointer to the instructions.
const fprog = Buffer.alloc(16);
fprog.writeUInt16LE(filter.length, 0);
fprog.writeBigUInt64LE(BigInt(koffi.address(instructions)), 8);

if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) throw new Error(`PR_SET_NO_NEW_PRIVS: errno ${koffi.errno()}`);
if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, Number(koffi.address(fprog)), 0, 0) !== 0)
  throw new Error(`PR_SET_SECCOMP: errno ${koffi.errno()}`);
// Node sets close-on-exec on its standard descriptors and ignores SIGPIPE, which exec would preserve.
for (const fd of [0, 1, 2]) fcntl(fd, F_SETFD, "int", 0);
signal(SIGPIPE, 0);
execvp(command, [command, ...args, null]);
throw new Error(`${command} cannot be executed: errno ${koffi.errno()}`);
