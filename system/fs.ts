/** The few functions of `@std/fs` that are used, with its signatures; it is not on npm. */

/**
 * Makes sure that `dir` is a directory; missing ones are created, parents too.
 *
 * @throws {Deno.errors.AlreadyExists} if something else stands there
 */
export async function ensureDir(dir: string | URL): Promise<void> {
  try {
    await Deno.mkdir(dir, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    if (!(await Deno.stat(dir)).isDirectory) throw error;
  }
}

/** As {@link ensureDir}, at once. @throws {Deno.errors.AlreadyExists} if something else stands there */
export function ensureDirSync(dir: string | URL): void {
  try {
    Deno.mkdirSync(dir, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    if (!Deno.statSync(dir).isDirectory) throw error;
  }
}

/** What {@link exists} asks for. */
export interface ExistsOptions {
  /** Only a directory counts. */
  isDirectory?: boolean;
  /** Only a file counts. */
  isFile?: boolean;
}

/** Whether something stands at `path`; links are followed. @throws {TypeError} if both kinds are asked for */
export async function exists(path: string | URL, options: ExistsOptions = {}): Promise<boolean> {
  checkOptions(options);
  try {
    return matches(await Deno.stat(path), options);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** As {@link exists}, at once. */
export function existsSync(path: string | URL, options: ExistsOptions = {}): boolean {
  checkOptions(options);
  try {
    return matches(Deno.statSync(path), options);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function checkOptions(options: ExistsOptions): void {
  if (options.isDirectory && options.isFile) {
    throw new TypeError("Cannot look for something that is both a directory and a file");
  }
}

function matches(info: Deno.FileInfo, options: ExistsOptions): boolean {
  if (options.isDirectory) return info.isDirectory;
  return options.isFile ? info.isFile : true;
}
