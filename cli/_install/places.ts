/** Where an installed fsync lies: below `~/.local` for one user, below `/usr/local` for all. */
import { configHome, dataHome, home } from "../../system/state_dirs.ts";

export interface Places {
  /** For all users of the machine. */
  readonly system: boolean;
  /** What stands for `/`; empty but when a package or image is made. */
  readonly destDir: string;
  /** The program. */
  readonly executable: string;
  readonly completions: { readonly bash: string; readonly zsh: string; readonly fish: string };
  /** Manual pages of section 1. */
  readonly manual: string;
  /** systemd's unit files. */
  readonly units: string;
  /** Where instances are linked and changed: `<name>.wants/`, `<unit>.d/`. */
  readonly unitLinks: string;
  /** What was installed. */
  readonly record: string;
}

/** @param binDir another place for the program, absolute */
export function userPlaces(binDir?: string): Places {
  const data = dataHome();
  const config = configHome();
  return {
    system: false,
    destDir: "",
    executable: `${binDir ?? `${home()}/.local/bin`}/fsync`,
    completions: {
      bash: `${data}/bash-completion/completions/fsync`,
      zsh: `${data}/zsh/site-functions/_fsync`,
      fish: `${config}/fish/completions/fsync.fish`,
    },
    manual: `${data}/man/man1`,
    units: `${data}/systemd/user`,
    unitLinks: `${config}/systemd/user`,
    record: `${data}/fsync/installed.json`,
  };
}

/** @param destDir what stands for `/`, for packages and images; empty for this system */
export function systemPlaces(destDir: string, binDir?: string): Places {
  const share = `${destDir}/usr/local/share`;
  return {
    system: true,
    destDir,
    executable: `${destDir}${binDir ?? "/usr/local/bin"}/fsync`,
    completions: {
      bash: `${share}/bash-completion/completions/fsync`,
      zsh: `${share}/zsh/site-functions/_fsync`,
      fish: `${destDir}/etc/fish/completions/fsync.fish`,
    },
    manual: `${share}/man/man1`,
    units: `${destDir}/usr/local/lib/systemd/system`,
    unitLinks: `${destDir}/etc/systemd/system`,
    record: `${share}/fsync/installed.json`,
  };
}
