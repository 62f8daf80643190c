/**
 * What can stand in the configuration file: one row for each setting. A setting is a flag that somebody wants to hold
 * always; what is done once (`--dry-run`, `--approve-deletes`) is none.
 */

import { configDir } from "../system/state_dirs.ts";

/** The configuration file of this user. */
export function settingsPath(): string {
  return `${configDir()}/config.toml`;
}

export type SettingKind = "text" | "number" | "switch";

export interface Setting {
  /** Of the flag, without the dashes. */
  readonly name: string;
  readonly kind: SettingKind;
  /** Commands that have the flag. */
  readonly commands: readonly string[];
  /** What holds without it, as it is shown to people. */
  readonly fallback: string;
  /** A value to show in the commented file. */
  readonly example: string;
  readonly help: string;
  /** Taken up anew by a running program on SIGHUP. */
  readonly reloads?: boolean;
}

export const SETTINGS: readonly Setting[] = [
  {
    name: "server",
    kind: "text",
    commands: ["watch", "sync-all", "upload", "download"],
    fallback: "the folder's own, else localhost:65432",
    example: '"nas.local:65432"',
    help: "the server of folders that were not synced yet",
  },
  {
    name: "on-conflict",
    kind: "text",
    commands: ["watch", "sync-all"],
    fallback: "what the folder remembers, else version",
    example: '"copy"',
    help: "copy: the loser of a conflict is also written beside the winner",
  },
  {
    name: "use-gitignore",
    kind: "switch",
    commands: ["watch", "sync-all"],
    fallback: "what the folder remembers, else false",
    example: "true",
    help: "go by .gitignore files too",
  },
  {
    name: "no-default-ignores",
    kind: "switch",
    commands: ["watch", "sync-all"],
    fallback: "what the folder remembers, else false",
    example: "true",
    help: "sync editors' temporary files too",
  },
  {
    name: "host",
    kind: "text",
    commands: ["server"],
    fallback: "0.0.0.0",
    example: '"192.168.1.10"',
    help: "address to listen on",
  },
  {
    name: "port",
    kind: "number",
    commands: ["server"],
    fallback: "65432",
    example: "65432",
    help: "TCP port to listen on",
  },
  {
    name: "no-tls",
    kind: "switch",
    commands: ["server"],
    fallback: "false",
    example: "true",
    help: "no encryption: only on a link that is safe by other means",
  },
  {
    name: "limit-up",
    kind: "text",
    commands: ["server", "watch", "sync-all", "upload", "download"],
    fallback: "none",
    example: '"2M"',
    help: "bytes that all connections together send in a second, at most",
    reloads: true,
  },
  {
    name: "limit-down",
    kind: "text",
    commands: ["server", "watch", "sync-all", "upload", "download"],
    fallback: "none",
    example: '"10M"',
    help: "bytes that all connections together receive in a second, at most",
    reloads: true,
  },
  {
    name: "log-level",
    kind: "text",
    commands: ["server", "watch"],
    fallback: "info",
    example: '"warn"',
    help: "what the terminal shows: error, warn, info or debug",
    reloads: true,
  },
  {
    name: "log-size",
    kind: "text",
    commands: ["server", "watch"],
    fallback: "16M",
    example: '"64M"',
    help: "size at which a log file is full and a new one begun",
    reloads: true,
  },
  {
    name: "log-keep",
    kind: "number",
    commands: ["server", "watch"],
    fallback: "2",
    example: "8",
    help: "full log files that are kept",
    reloads: true,
  },
  {
    name: "metrics",
    kind: "number",
    commands: ["server", "watch"],
    fallback: "none",
    example: "9432",
    help: "port on 127.0.0.1 for metrics (Prometheus) and health",
  },
  {
    name: "verbose",
    kind: "switch",
    commands: ["*"],
    fallback: "false",
    example: "true",
    help: "print more",
  },
  {
    name: "quiet",
    kind: "switch",
    commands: ["*"],
    fallback: "false",
    example: "true",
    help: "print only what was asked for, and errors",
  },
];

export function appliesTo(setting: Setting, command: string): boolean {
  return setting.commands.includes("*") || setting.commands.includes(command);
}
