/**
 * The two programs of the system that `fsync install` talks to. Their paths are fixed: the process has leave for these
 * and for no others (`scripts/run_flags.ts`).
 */

export interface Answer {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Programs {
  /** Runs `name` to its end; `null` if it is not installed. */
  run(name: ProgramName, args: readonly string[], options?: RunOptions): Promise<Answer | null>;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly env?: { readonly [name: string]: string };
}

export type ProgramName = "systemctl" | "crontab";

const PATHS: { readonly [name in ProgramName]: readonly string[] } = {
  systemctl: ["/usr/bin/systemctl", "/bin/systemctl"],
  crontab: ["/usr/bin/crontab"],
};

/** They get no environment but this and what is given: answers are read, so they have to be in English. */
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };

export const systemPrograms: Programs = {
  run: async (name, args, { stdin = "", env = {} } = {}) => {
    for (const path of PATHS[name]) {
      const answer = await attempt(path, args, stdin, { ...ENVIRONMENT, ...env });
      if (answer !== null) return answer;
    }
    return null;
  },
};

async function attempt(
  path: string,
  args: readonly string[],
  stdin: string,
  env: { [name: string]: string },
): Promise<Answer | null> {
  const child = start(path, args, env);
  if (child === null) return null;
  const writer = child.stdin.getWriter();
  // A program that does not read its input has ended; its answer says why.
  await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
  await writer.close().catch(() => {});
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function start(
  path: string,
  args: readonly string[],
  env: { [name: string]: string },
): Deno.ChildProcess | null {
  try {
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    return new Deno.Command(path, { args: [...args], env, clearEnv: true, ...pipes }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
