// Headless Chromium: each page in a profile of its own, with everything it complained of.
import { chromium } from "playwright-core";

import { launching } from "./chromium.mjs";
import { WITHIN_MS } from "./wait.mjs";

/** A browser that the stage closes; every page has a context, hence a storage, of its own. */
export async function openBrowser(stage) {
  const browser = await chromium.launch(launching());
  const complaints = [];
  stage.owns({ close: () => browser.close(), told: () => ["the pages complained:", ...complaints, "(end)"].join("\n  ") });

  return {
    complaints,
    /** Opens an address; `who` names the page in complaints. */
    async visit(url, who) {
      const context = await browser.newContext();
      context.setDefaultTimeout(WITHIN_MS);
      const page = await context.newPage();
      const complain = (what) => complaints.push(`${who}: ${what}`);
      page.on("console", (message) => message.type() === "error" && complain(message.text()));
      page.on("pageerror", (error) => complain(error.message));
      page.on("dialog", (dialog) => complain(`dialog: ${dialog.message()}`) && dialog.dismiss());
      await page.exposeFunction("complain", complain);
      await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => globalThis.complain(`${event.violatedDirective} against ${event.blockedURI}`)));
      await page.goto(url);
      return page;
    },
  };
}
