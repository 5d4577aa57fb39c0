// Times as people of this place write them.
import { t } from "./strings";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(t.language, { weekday: "long", day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat(t.language, { day: "numeric", month: "long", year: "numeric" });
const whole = new Intl.DateTimeFormat(t.language, { dateStyle: "full", timeStyle: "medium" });
const soon = new Intl.DateTimeFormat(t.language, { day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" });

export const sayClock = (ts: number) => clock.format(ts);
export const sayWhole = (ts: number) => whole.format(ts);
/** A moment to come: the time alone, if it is today. */
export const sayUntil = (ts: number) => (dayOf(ts) === dayOf(Date.now()) ? clock : soon).format(ts);

/** A number that is the same all through a local day. Called for every row, so it makes no text. */
export function dayOf(ts: number): number {
  return Math.floor((ts - zone(ts)) / 86_400_000);
}

export function sayDay(ts: number): string {
  const ago = dayOf(Date.now()) - dayOf(ts);
  if (ago === 0) return t.timeline.today;
  if (ago === 1) return t.timeline.yesterday;
  return (ago < 300 ? day : dayAndYear).format(ts);
}

/** The offset of the zone, asked once for each hour that occurs: asking it is slow and it changes on the hour. */
const zones = new Map<number, number>();
function zone(ts: number): number {
  const hour = Math.floor(ts / 3_600_000);
  let known = zones.get(hour);
  if (known === undefined) zones.set(hour, (known = new Date(ts).getTimezoneOffset() * 60_000));
  return known;
}
