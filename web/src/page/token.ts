// The token one has brought: kept in this tab alone, and taken out of the address by which it may have come.
import { kept } from "./kept";

/** A reload goes on with it, another tab asks; it is gone when the tab is. Empty: there is none. */
export const token = kept("hubbub.token", "", () => sessionStorage);

/** Takes `#token=…`, and leaves nothing of it in the address, which is shared, bookmarked and gone back to. */
function take(): boolean {
  const [, found] = /^#token=(.+)/.exec(location.hash) ?? [];
  if (!found) return false;
  history.replaceState(null, "", location.pathname + location.search);
  token.set(plain(found));
  return true;
}

function plain(text: string): string {
  try {
    return decodeURIComponent(text).trim();
  } catch {
    return text;
  }
}

take();
// Into a page that is open already: whoever the token says begins anew.
addEventListener("hashchange", () => take() && location.reload());
