/**
 * What the program tells for finding a fault, by area: off unless somebody asks for it. Where it is told to is decided by
 * the command; nothing depends on it.
 */

export const TRACE_AREAS = ["link", "session", "plan", "push", "pull", "look", "store"] as const;
export type TraceArea = (typeof TRACE_AREAS)[number];

export type TraceSink = (
  area: TraceArea,
  what: string,
  details: { readonly [name: string]: unknown },
) => void;

let areas: ReadonlySet<TraceArea> = new Set();
let sink: TraceSink = () => {};

/** Begins to tell of `wanted`, and of nothing else. */
export function traceTo(wanted: ReadonlySet<TraceArea>, to: TraceSink): void {
  areas = wanted;
  sink = to;
}

/** Whether somebody wants to know of an area: for what costs something to find out. */
export function isTraced(area: TraceArea): boolean {
  return areas.has(area);
}

/** Tells of something, if it is wanted. Details hold no contents and no secrets. */
export function trace(
  area: TraceArea,
  what: string,
  details: { readonly [name: string]: unknown } = {},
): void {
  if (areas.has(area)) sink(area, what, details);
}
