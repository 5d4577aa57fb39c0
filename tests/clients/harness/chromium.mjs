// How every test starts Chromium: where it is, quietly, and as patiently as a busy machine needs.
import { find } from "./processes.mjs";

const ARGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const STARTED_WITHIN_MS = 120_000;

/** What `chromium.launch` is told; `more` are arguments of its own. */
export const launching = (...more) => ({
  executablePath: find("CHROMIUM", "chromium", "chromium-browser", "google-chrome"),
  headless: true,
  args: [...ARGS, ...more],
  timeout: STARTED_WITHIN_MS,
});
