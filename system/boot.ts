/** Tells whether the machine has run without a break since. */
import { systemRandom } from "./random.ts";
import { O_RDONLY, type Sys } from "./sys.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const ID_BYTES = 36;

/** Another text after each start of the machine, and each time where the kernel does not tell. */
export function bootOf(sys: Sys): string {
  const fd = sys.open(null, BOOT_ID, O_RDONLY);
  const id = new Uint8Array(ID_BYTES);
  const size = fd < 0 ? fd : sys.read(fd, id, 0);
  if (fd >= 0) sys.close(fd);
  return size === ID_BYTES ? new TextDecoder().decode(id) : systemRandom.bytes(16).toHex();
}
