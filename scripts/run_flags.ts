/**
 * How the program is run everywhere: by the tasks, the tests, the benchmarks and the compiled binary.
 *
 * V8 sizes its heap for a machine that it has to itself: a young generation of up to 64 MiB, and an old one that may
 * grow fourfold before it is collected. A synchroniser runs beside everything else: these flags keep both small, for about
 * a fifth more CPU time. `--expose-gc` lets `system/memory.ts` collect dead buffers before they pile up. What it comes to
 * stands in docs/benchmarks.md.
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=40,--expose-gc";

/** Environment variables that the program sees; to it all others are unset. A trailing `*` stands for any ending. */
export const ENVIRONMENT: readonly string[] = [
  "FSYNC_*",
  "XDG_*",
  "HOME",
  "LOGNAME",
  "NOTIFY_SOCKET",
  "NO_COLOR",
  "PATH",
  "TMPDIR",
  "USER",
  "WATCHDOG_*",
];

/** What Deno tells about the system. */
export const SYSTEM: readonly string[] = ["homedir", "hostname", "networkInterfaces", "uid"];

/** The programs that `fsync install` and `uninstall` start, in `system/programs.ts`; nothing else starts one. */
export const PROGRAMS: readonly string[] = ["/usr/bin/systemctl", "/bin/systemctl", "/usr/bin/crontab"];

/** What the process may do; `docs/security.md` says what each is for. No code from elsewhere. */
export const PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-ffi",
  `--allow-sys=${SYSTEM.join(",")}`,
  `--allow-run=${PROGRAMS.join(",")}`,
  `--allow-env=${ENVIRONMENT.join(",")}`,
  "--ignore-env",
];

export const RUN_FLAGS: readonly string[] = [...PERMISSIONS, V8_FLAGS];
