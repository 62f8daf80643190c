/** Programs that the build runs. */

/** Runs Deno to its end. @throws {Error} with what it said, if it fails */
export async function runDeno(args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`Cannot run "deno ${args[0]}": it failed\n${decoder.decode(stderr).trimEnd()}`);
  }
  return decoder.decode(stdout);
}

/** What a program answers, without white space around it; `null` if it is not there or fails. */
export function askTool(
  program: string,
  args: readonly string[],
  cwd: string,
  env: { readonly [name: string]: string } = {},
): string | null {
  try {
    const { success, stdout } = new Deno.Command(program, {
      args: [...args],
      cwd,
      env,
      stdin: "null",
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  } catch {
    return null;
  }
}
