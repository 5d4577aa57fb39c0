// How long the client waits, and how much it asks for and keeps: every number that somebody once chose.

// === Waiting

/** An answer later than this is called slow. */
export const SLOW_MS = 4_000;
/** A gap is repaired after a time between these: what is only late heals itself, and not all members ask at once. */
export const REPAIR_FROM_MS = 50;
export const REPAIR_TO_MS = 250;
/** One's own echo follows the ack; only if it does not come is there something to repair. */
export const ECHO_MS = 1_000;
/** When the store is back, everybody goes on at some moment within this time. */
export const RESTORED_MS = 1_000;
/** Who is asked for a token has so long; the server says that one ends a minute before, unless told otherwise. */
export const TOKEN_MS = 30_000;
/** Typing is said so often at most; the server forgets it after six seconds. */
export const TYPING_MS = 3_000;

// === Reading

/** Pages that nobody looks at while they load are as long as they may be. */
export const LONG_PAGE = 200;
/** Entries held because something before them is missing; what does not fit is fetched with the rest. */
export const HELD = 1_000;
/** Repairs in a row that brought nothing before everything is read anew. */
export const FRUITLESS = 3;
/** Pages of people; nobody reads a longer list, and `count` is right whatever is loaded. */
export const PEOPLE_PAGES = 10;

// === Looking for what may not be sent again

/**
 * For how long the server knows a mid again, unless it is told otherwise. It cannot tell how old one is that was made
 * by a wrong clock, and would take it for new: what is older is looked for before it is sent again.
 */
export const KNOWN_MS = 600_000;
/** So far back it is looked, which is all that a server keeps unless told otherwise. */
export const FIND_PAGES = 50;
/** How far clocks may differ. */
export const CLOCKS_MS = 300_000;
