//! Charts as inline SVG: bars over a logarithmic axis, and lines over time.
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 26.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 12.0;

/// A line over time: its name, its colour's class, and a value per point.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) class: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// One bar a bucket: its label below now and then, its height, and what is said when one points.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) height: f64,
    pub(super) says: String,
}

pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    let most = rounded(bars.iter().map(|bar| bar.height).fold(0.0, f64::max));
    let mut out = open(title);
    axis(&mut out, most, &short);
    let step = (WIDTH - LEFT - RIGHT) / float(bars.len().max(1));
    let every = bars.len().div_ceil(9).max(1);
    for (at, bar) in bars.iter().enumerate() {
        let x = LEFT + step * float(at);
        let height = if most > 0.0 { bar.height / most * plot() } else { 0.0 };
        let _ = write!(
            out,
            "<rect class=\"one\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"1.5\"><title>{}</title></rect>",
            x + 1.0,
            TOP + plot() - height,
            (step - 2.0).max(1.0),
            escaped(&bar.says)
        );
        if at % every == 0 {
            text(&mut out, x, HEIGHT - 8.0, "", &bar.label);
        }
    }
    out.push_str("</svg>");
    out
}

/// `shown`: how a value of the axis is written.
pub(super) fn lines(title: &str, lines: &[Line<'_>], shown: &dyn Fn(f64) -> String) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let most = rounded(points().map(|(_, value)| *value).fold(0.0, f64::max));
    let first = points().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
    let last = points().map(|(at, _)| *at).fold(f64::NEG_INFINITY, f64::max);
    let first = if first.is_finite() { first } else { 0.0 };
    let span = if last > first { last - first } else { 1.0 };
    let mut out = open(title);
    axis(&mut out, most, shown);
    for line in lines {
        let place = |(at, value): &(f64, f64)| {
            let x = LEFT + (at - first) / span * (WIDTH - LEFT - RIGHT);
            let y = TOP + plot() - if most > 0.0 { value / most * plot() } else { 0.0 };
            (x, y)
        };
        let path: Vec<String> =
            line.points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(out, "<polyline class=\"{}\" points=\"{}\"/>", line.class, path.join(" "));
        for point in &line.points {
            let (x, y) = place(point);
            let says = format!("{} at {:.0} s: {}", line.name, point.0, shown(point.1));
            let _ = write!(
                out,
                "<circle class=\"{} dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7\"><title>{}</title></circle>",
                line.class,
                escaped(&says)
            );
        }
    }
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let x = LEFT + share * (WIDTH - LEFT - RIGHT);
        let anchor = if part == 4 { "end" } else { "" };
        text(&mut out, x, HEIGHT - 8.0, anchor, &format!("{:.0} s", first + share * span));
    }
    out.push_str("</svg>");
    out
}

/// 1 234 567 as 1.2M.
pub(super) fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.0}k", value / 1e3),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The end of an axis of four steps, each of which is easily read.
fn rounded(most: f64) -> f64 {
    if most <= 0.0 {
        return 0.0;
    }
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|step| step * power * 4.0 >= most);
    step.unwrap_or(10.0) * power * 4.0
}

fn open(title: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escaped(title))
}

fn plot() -> f64 {
    HEIGHT - TOP - BOTTOM
}

fn axis(out: &mut String, most: f64, shown: &dyn Fn(f64) -> String) {
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let y = TOP + plot() * (1.0 - share);
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            WIDTH - RIGHT
        );
        text(out, LEFT - 8.0, y + 4.0, "end", &shown(most * share));
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let class = if anchor.is_empty() { String::new() } else { format!(" class=\"{anchor}\"") };
    let _ = write!(out, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text));
}

#[expect(clippy::cast_precision_loss, reason = "a number of bars")]
fn float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_what_was_given_and_no_markup() {
        let drawn =
            bars("a <b>", &[Bar { label: "1 ms".into(), height: 3.0, says: "3 & <x>".into() }]);

        assert!(
            drawn.contains("aria-label=\"a &lt;b&gt;\"") && drawn.contains("3 &amp; &lt;x&gt;")
        );
        assert_eq!(drawn.matches("<rect").count(), 1);
        let line = Line { name: "p50", class: "one", points: vec![(0.0, 1.0), (1.0, 2.0)] };
        let drawn = lines("t", &[line], &short);
        assert_eq!((drawn.matches("<polyline").count(), drawn.matches("<circle").count()), (1, 2));
    }

    #[test]
    fn charts_of_nothing_have_no_wrong_numbers() {
        for drawn in [bars("t", &[]), lines("t", &[], &short)] {
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
    }
}
