import { assertEquals } from "@std/assert";
import { readSummary } from "./test_summary.ts";

const cases: readonly (readonly [name: string, output: string, passed: number, failed: number])[] = [
  ["all passed", "a ... ok (1ms)\n\nok | 12 passed | 0 failed (14ms)\n\n", 12, 0],
  [
    "steps, failures and ignored tests",
    "FAILED | 1 passed (4 steps) | 2 failed (1 step) | 3 ignored (1s)\n",
    1,
    2,
  ],
  ["colours", "\x1b[0m\x1b[32mok\x1b[0m | 3 passed | 0 failed \x1b[0m\x1b[38;5;245m(5ms)\x1b[0m\n", 3, 0],
  [
    "a test that prints a summary of its own",
    "ok | 9 passed | 0 failed\n\nFAILED | 1 passed | 1 failed\n",
    1,
    1,
  ],
  ["no summary", "error: No test modules found\n", 0, 0],
];

for (const [name, output, passed, failed] of cases) {
  Deno.test(`summary: ${name}`, () => assertEquals(readSummary(output), { passed, failed }));
}
