/**
 * What a long-running command tells the service manager that started it: that it is ready, what it does, that its event
 * loop still turns, that it is about to end. Without a service manager nothing of it happens.
 */
import type { EngineEvent } from "../client/events.ts";
import { displayPath } from "../core/path.ts";
import { type Notifier, openNotifier } from "../system/notify.ts";
import type { Environment } from "../system/state_dirs.ts";

/** The manager reads at once; a full queue is a matter of moments. */
const RETRY_MS = 100;
/** For a minute: the manager's own patience at a start is about that. */
const RETRIES_MAX = 600;
/** One line on a screen. */
const STATUS_MAX = 200;

export class Service {
  readonly #notifier: Notifier | null;
  readonly #watchdogMs: number | null;
  #watchdog: ReturnType<typeof setInterval> | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #status = "";
  #reason = "";
  #stopping = false;

  private constructor(notifier: Notifier | null, watchdogMs: number | null) {
    this.#notifier = notifier;
    this.#watchdogMs = watchdogMs;
  }

  /** The service that this process is. Asked once: what it starts, or asks again, is no service. */
  static open(env: { get: Environment; delete: (name: string) => void } = Deno.env): Service {
    const get: Environment = (name) => env.get(name);
    const service = new Service(openNotifier(get), watchdogMs(get));
    for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) env.delete(name);
    return service;
  }

  /** It serves, or watches, from now on. Starts the watchdog; `stop` ends it with a word to the manager. */
  ready(status: string, stop: AbortSignal): void {
    if (this.#notifier === null) return;
    this.#status = status;
    this.#sendSurely(`READY=1\nSTATUS=${oneLine(status)}`);
    // A timer fires only if the event loop turns, which is what the watchdog is to find out.
    if (this.#watchdogMs !== null) {
      this.#watchdog = setInterval(() => this.#notifier?.send("WATCHDOG=1"), this.#watchdogMs / 2);
    }
    stop.addEventListener("abort", () => this.#stop(), { once: true });
  }

  /** What `systemctl status` shows. */
  status(text: string): void {
    if (text === this.#status || this.#stopping) return;
    this.#status = text;
    this.#notifier?.send(`STATUS=${oneLine(text)}`);
  }

  /** Puts what an engine tells of its state into words. */
  note(event: EngineEvent): void {
    if (event.type === "disconnected" || event.type === "stuck") this.#reason = event.reason;
    if (event.type === "state") {
      const needsReason = event.state === "unreachable" || event.state === "stuck";
      this.status(needsReason ? `${event.state}: ${this.#reason}` : event.state);
    }
  }

  close(): void {
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#notifier?.close();
  }

  #stop(): void {
    this.#stopping = true;
    this.#notifier?.send("STOPPING=1\nSTATUS=stopping");
  }

  #sendSurely(message: string, tries = 0): void {
    if (this.#notifier?.send(message) !== false || tries >= RETRIES_MAX) return;
    this.#retry = setTimeout(() => this.#sendSurely(message, tries + 1), RETRY_MS);
  }
}

/** How often the manager wants to hear something, ms; `null` if never, or if another process is meant. */
function watchdogMs(env: Environment): number | null {
  const meant = env("WATCHDOG_PID");
  if (meant !== undefined && meant !== String(Deno.pid)) return null;
  const micros = Number(env("WATCHDOG_USEC") ?? "");
  return Number.isFinite(micros) && micros > 0 ? micros / 1000 : null;
}

function oneLine(text: string): string {
  return displayPath(text).slice(0, STATUS_MAX);
}
