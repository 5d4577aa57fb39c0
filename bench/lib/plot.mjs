// Plots as SVG files, readable on light and dark ground.
const W = 960;
const H = 340;
const LEFT = 62;
const TOP = 44;
const BOTTOM = 40;
const RIGHT = 14;
const COLOURS = [["#8a8983", "#9b9a94"], ["#2a78d6", "#3987e5"], ["#1baf7a", "#199e70"], ["#eda100", "#c98500"], ["#eb6834", "#d95926"], ["#8a4fc7", "#a678de"]];

const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const nice = (value) => (value >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M` : value >= 1e4 ? `${+(value / 1e3).toPrecision(3)}k` : String(+value.toPrecision(3)));

/** The end of an axis of four steps, each of which is easily read. */
function rounded(most) {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most / 4));
  return 4 * power * [1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10].find((step) => step * power * 4 >= most * 1.02);
}

function frame(title, legend, body) {
  const style = COLOURS.map(([light], at) => `.f${at}{fill:${light}}.s${at}{stroke:${light}}`).join("");
  const dark = COLOURS.map(([, colour], at) => `.f${at}{fill:${colour}}.s${at}{stroke:${colour}}`).join("");
  let x = LEFT;
  const names = legend.map((name, at) => {
    const part = `<rect class="f${at}" x="${x}" y="24" width="10" height="10" rx="2"/><text x="${x + 14}" y="33">${escaped(name)}</text>`;
    x += 14 + name.length * 6.3 + 12;
    return part;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" role="img" aria-label="${escaped(title)}">
<style>svg{background:#fcfcfb;font:12px system-ui,sans-serif}text{fill:#52514e}.t{font-size:14px;font-weight:600;fill:#0b0b0b}.e{text-anchor:end}.m{text-anchor:middle}.g{stroke:#e4e3df}.l{fill:none;stroke-width:2}${style}@media(prefers-color-scheme:dark){svg{background:#1a1a19}text{fill:#b3b2ad}.t{fill:#f5f5f3}.g{stroke:#383835}${dark}}</style>
<text class="t" x="${LEFT}" y="16">${escaped(title)}</text>${names.join("")}
${body}</svg>
`;
}

function grid(most, unit = "") {
  return [0, 1, 2, 3, 4].map((part) => {
    const y = (H - BOTTOM - ((H - BOTTOM - TOP) * part) / 4).toFixed(1);
    return `<line class="g" x1="${LEFT}" x2="${W - RIGHT}" y1="${y}" y2="${y}"/><text class="e" x="${LEFT - 6}" y="${+y + 4}">${nice((most * part) / 4)}${unit}</text>`;
  }).join("");
}

/** Groups of bars; `values[group][series]` is `{ value, min, max }` or undefined. Above `cap` a bar is cut and its value written. */
export function bars(title, series, groups, values, cap = Infinity) {
  const all = values.flat().filter(Boolean).map(({ max }) => max);
  const most = Math.min(cap, rounded(Math.max(...all, 0)));
  const height = (value) => (Math.min(value, most) / most) * (H - BOTTOM - TOP);
  const wide = (W - LEFT - RIGHT) / groups.length;
  const step = (wide - 16) / series.length;
  const parts = groups.flatMap((group, g) => [
    `<text class="m" x="${LEFT + wide * (g + 0.5)}" y="${H - 20}">${escaped(group)}</text>`,
    ...series.map((name, s) => {
      const cell = values[g][s];
      if (!cell) return "";
      const x = LEFT + wide * g + 8 + step * s;
      const y = H - BOTTOM - height(cell.value);
      const cut = cell.value > most;
      const line = cut ? "" : `<line class="g" style="stroke:currentColor;opacity:.45" x1="${x + step / 2 - 1}" x2="${x + step / 2 - 1}" y1="${H - BOTTOM - height(cell.max)}" y2="${H - BOTTOM - height(cell.min)}"/>`;
      return `<rect class="f${s}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${(step - 2).toFixed(1)}" height="${height(cell.value).toFixed(1)}" rx="2"><title>${escaped(`${name}, ${group}: ${nice(cell.value)} (${nice(cell.min)} to ${nice(cell.max)})`)}</title></rect>${line}<text class="m" style="font-size:10px" x="${(x + step / 2 - 1).toFixed(1)}" y="${(H - BOTTOM - height(cut ? cell.value : cell.max) - 4).toFixed(1)}">${nice(cell.value)}${cut ? "↑" : ""}</text>`;
    }),
  ]);
  return frame(title, series, grid(most) + parts.join("\n"));
}

/** Lines over a logarithmic axis; `lines[].points` are `[x, y]`. */
export function lines(title, all, unit) {
  const points = all.flatMap((line) => line.points);
  const most = rounded(Math.max(...points.map(([, y]) => y), 0));
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const span = Math.log(xs.at(-1) / xs[0]) || 1;
  const X = (x) => LEFT + 12 + (Math.log(x / xs[0]) / span) * (W - LEFT - RIGHT - 24);
  const Y = (y) => H - BOTTOM - (y / (most || 1)) * (H - BOTTOM - TOP);
  const drawn = all.map(({ name, points: each }, at) => `<polyline class="l s${at + 1}" points="${each.map(([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`).join(" ")}"/>${each.map(([x, y]) => `<circle class="f${at + 1}" cx="${X(x).toFixed(1)}" cy="${Y(y).toFixed(1)}" r="4"><title>${escaped(`${name} at ${nice(x)}: ${nice(y)}${unit}`)}</title></circle>`).join("")}`);
  const labels = xs.map((x) => `<text class="m" x="${X(x).toFixed(1)}" y="${H - 20}">${nice(x)}</text>`);
  // The first colour is the floor's; lines here begin with the second.
  return frame(title, ["", ...all.map(({ name }) => name)], grid(most, unit) + labels.join("") + drawn.join("\n")).replace(/<rect class="f0"[^>]*\/><text[^>]*><\/text>/, "");
}
