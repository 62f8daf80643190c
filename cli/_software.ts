/** What this program is. */
import config from "../deno.json" with { type: "json" };

export const VERSION = config.version;
/** As told to the other side and in logs. */
export const SOFTWARE = `fsync ${VERSION}`;
