// Divides the bundle of the program and the library, and the program in the single executable, into files.

/**
 * Chunks of the bundle. A thread needs half a millisecond of CPU to find, read and link a file of any size, so six
 * chunks replace sixty small ones: modules that everything starts with; the command line; the modules that explain a
 * finished run on any system; the kernel's tables and calls; what `ports` adds to these; and what all runs share. None
 * of them contains modules that need zod. A chunk also contains what its modules import, unless a group of higher
 * priority has it, so the library never loads the command line.
 */
export const CHUNKS = [
  {
    name: "first",
    test: /\/(?:dist|src)\/(util\/(?!zod|options|subprocess|host-load)|results\/identifiers|linux\/(?:syscalls\/(?:constants|errno)|proc\/sysctl)\.|socket-table\/query|output\/terminal\/(output|columns|paint|table)\.|cli\/(signals|output-error|reachable|files\/file-error)\.)/,
    priority: 4,
  },
  { name: "program", test: /\/(?:dist|src)\/cli\/program\.js/, priority: 3 },
  {
    name: "anywhere",
    test: /\/(?:dist|src)\/(diagnosis|results\/histogram\/(?!latency-summary)|transport\/obstacle-words)/,
    minShareCount: 2,
    priority: 2,
  },
  {
    name: "table",
    test: /\/(?:dist|src)\/(linux\/(netlink|proc|syscalls|bpf)|socket-table)\/(?!.*schema)/,
    priority: 2,
  },
  {
    name: "ports",
    test: /\/(?:dist|src)\/(cli\/ports\/(?!command|list|map|namespaces)|output\/text\/ports\/(?!namespaces))/,
    priority: 2,
  },
  {
    name: "linux",
    test: /\/(?:dist|src)\/(linux|engine|transport|planning|protocols)\/(?!.*schema)/,
    minShareCount: 2,
    priority: 1,
  },
];
