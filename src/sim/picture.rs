//! A run as a picture: what arrives and is processed, what is unread, how late it is, and how many
//! replicas there are, one below the other over the same time. SVG, so that it scales and has no
//! fonts of its own.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Step;

/// The picture's width, in pixels.
const WIDTH: f64 = 960.0;
/// Where the plots begin and end from left to right.
const SIDES: (f64, f64) = (76.0, 940.0);
/// Where the first plot begins.
const TOP: f64 = 64.0;
/// Height of a plot.
const HEIGHT: f64 = 120.0;
/// From one plot to the next.
const DISTANCE: f64 = 164.0;
/// A line has at most so many points: more than there are pixels show nothing more.
const POINTS: usize = 800;
/// Changes of the count are labelled up to so many.
const LABELS: usize = 40;
/// Labels are at least so many pixels apart.
const APART: f64 = 26.0;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#333}\
.title{font-size:15px;font-weight:600}.name{font-weight:600}.tick{fill:#777;font-size:11px}\
.grid{stroke:#e4e4e4}.axis{stroke:#999}path{fill:none;stroke-width:1.6}\
.blue{stroke:#1f6feb}.green{stroke:#2da44e}.orange{stroke:#d9730d}.red{stroke:#cf222e}\
.gray{stroke:#8c959f}.slo{stroke:#cf222e;stroke-dasharray:5 4}\
.out{fill:#d9730d}.in{fill:#1f6feb}.label{font-size:11px;text-anchor:middle}";

/// What a line shows: its words in the legend, its colour, whether it goes by steps, its points.
struct Line {
    words: &'static str,
    class: &'static str,
    by_steps: bool,
    points: Vec<(f64, f64)>,
}

/// One plot.
struct Plot {
    name: &'static str,
    lines: Vec<Line>,
    /// A horizontal line that is not to be crossed.
    limit: Option<f64>,
}

/// Draws `steps`; `title` stands above them, and `slo`, in seconds, is the time lag that is allowed.
/// Without a step it is an empty frame.
#[must_use]
pub fn picture(steps: &[Step], title: &str, slo: Option<f64>) -> String {
    let time = Time::of(steps);
    let plots = plots(steps, &time, slo);
    #[expect(clippy::cast_precision_loss, reason = "four plots")]
    let height = TOP + DISTANCE * plots.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\">\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text class=\"title\" x=\"{}\" y=\"26\">{}</text>\n",
        SIDES.0,
        escaped(title)
    );
    let mut top = TOP;
    for plot in &plots {
        draw(&mut svg, plot, &time, top);
        top += DISTANCE;
    }
    changes(&mut svg, steps, &time, top - DISTANCE, plots.last());
    svg.push_str("</svg>\n");
    svg
}

fn plots(steps: &[Step], time: &Time, slo: Option<f64>) -> Vec<Plot> {
    let line = |words, class, by_steps, value: &dyn Fn(&Step) -> Option<f64>| Line {
        words,
        class,
        by_steps,
        points: points(steps, time, value),
    };
    let arrivals = |s: &Step| s.arrivals.or(s.decision.series.arrival_rate);
    #[expect(clippy::cast_precision_loss, reason = "a picture")]
    let lag = |s: &Step| s.decision.series.lag.map(|lag| lag as f64);
    let asked = |s: &Step| Some(f64::from(s.decision.to));
    let ready = |s: &Step| Some(f64::from(s.ready));
    let plot = |name, lines, limit| Plot { name, lines, limit };
    vec![
        plot(
            "records per second",
            vec![
                line("arrive", "blue", false, &arrivals),
                line("processed", "green", false, &|s| {
                    s.decision.series.consume_rate
                }),
            ],
            None,
        ),
        plot(
            "unread records",
            vec![line("lag", "orange", false, &lag)],
            None,
        ),
        plot(
            "seconds behind",
            vec![line("time lag", "red", false, &|s| {
                s.decision.series.time_lag
            })],
            slo,
        ),
        plot(
            "replicas",
            vec![
                line("ready", "gray", true, &ready),
                line("asked for", "blue", true, &asked),
            ],
            None,
        ),
    ]
}

/// From moments to pixels.
struct Time {
    start: Timestamp,
    seconds: f64,
}

impl Time {
    fn of(steps: &[Step]) -> Self {
        let at = |step: Option<&Step>| step.map_or(Timestamp::UNIX_EPOCH, |s| s.decision.at);
        let (start, end) = (at(steps.first()), at(steps.last()));
        Self {
            start,
            seconds: end.duration_since(start).as_secs_f64().max(1.0),
        }
    }

    fn x(&self, at: Timestamp) -> f64 {
        let (left, right) = SIDES;
        left + (right - left) * at.duration_since(self.start).as_secs_f64() / self.seconds
    }

    /// Round moments: the distance of two in seconds.
    fn distance(&self) -> f64 {
        const ROUND: [f64; 14] = [
            5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0,
            21_600.0, 86_400.0,
        ];
        let wanted = self.seconds / 8.0;
        ROUND
            .into_iter()
            .find(|d| *d >= wanted)
            .unwrap_or(604_800.0)
    }
}

/// The points of a line in pixels and values: of several looks at one pixel the highest.
fn points(steps: &[Step], time: &Time, value: &dyn Fn(&Step) -> Option<f64>) -> Vec<(f64, f64)> {
    let chunk = steps.len().div_ceil(POINTS).max(1);
    let highest = |steps: &[Step]| {
        let values = steps
            .iter()
            .filter_map(|s| Some((time.x(s.decision.at), value(s)?)));
        values.max_by(|a, b| a.1.total_cmp(&b.1))
    };
    steps.chunks(chunk).filter_map(highest).collect()
}

fn draw(svg: &mut String, plot: &Plot, time: &Time, top: f64) {
    let (left, right) = SIDES;
    let values = plot.lines.iter().flat_map(|line| &line.points);
    let most = values
        .map(|(_, value)| *value)
        .chain(plot.limit)
        .fold(0.0, f64::max);
    let scale = Scale::upto(most, top);
    for tick in scale.ticks() {
        let y = scale.y(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + 4.0,
            short(tick)
        );
    }
    time_axis(svg, time, top + HEIGHT);
    let _ = write!(
        svg,
        "<text class=\"name\" x=\"{left}\" y=\"{}\">{}</text>",
        top - 9.0,
        plot.name
    );
    legend(svg, plot, top - 9.0);
    if let Some(limit) = plot.limit {
        let y = scale.y(limit);
        let _ = writeln!(
            svg,
            "<line class=\"slo\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
    }
    for line in &plot.lines {
        let _ = writeln!(
            svg,
            "<path class=\"{}\" d=\"{}\"/>",
            line.class,
            drawn(line, &scale)
        );
    }
}

fn drawn(line: &Line, scale: &Scale) -> String {
    let mut d = String::new();
    for (i, &(x, value)) in line.points.iter().enumerate() {
        let y = scale.y(value);
        let _ = match (i, line.by_steps) {
            (0, _) => write!(d, "M{x:.1} {y:.1}"),
            (_, true) => write!(d, "H{x:.1}V{y:.1}"),
            (_, false) => write!(d, "L{x:.1} {y:.1}"),
        };
    }
    d
}

fn legend(svg: &mut String, plot: &Plot, y: f64) {
    let mut x = SIDES.1;
    let limit = plot
        .limit
        .map(|limit| ("slo", format!("allowed: {} s", short(limit))));
    let lines = plot
        .lines
        .iter()
        .rev()
        .map(|l| (l.class, l.words.to_owned()));
    for (class, words) in limit.into_iter().chain(lines) {
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{words}</text>"
        );
        #[expect(clippy::cast_precision_loss, reason = "a few characters")]
        let width = 6.4 * words.len() as f64;
        let (from, to) = (x - width - 26.0, x - width - 6.0);
        let _ = write!(
            svg,
            "<path class=\"{class}\" d=\"M{from:.0} {0}H{to:.0}\"/>",
            y - 4.0
        );
        x = from - 14.0;
    }
}

fn time_axis(svg: &mut String, time: &Time, y: f64) {
    let (left, right) = SIDES;
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{left}\" x2=\"{right}\" y1=\"{y}\" y2=\"{y}\"/>"
    );
    let distance = time.distance();
    let format = if distance < 60.0 { "%H:%M:%S" } else { "%H:%M" };
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
    let step = distance as i64;
    let first = (time.start.as_second() - 1).div_euclid(step) + 1;
    for number in first.. {
        let Ok(at) = Timestamp::from_second(number * step) else {
            return;
        };
        let x = time.x(at);
        if x > right {
            return;
        }
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{}\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            y + 4.0,
            y + 17.0,
            at.strftime(format)
        );
    }
}

/// Marks where the count changed, each with what to and who decided it.
fn changes(svg: &mut String, steps: &[Step], time: &Time, top: f64, plot: Option<&Plot>) {
    let values = plot
        .iter()
        .flat_map(|p| &p.lines)
        .flat_map(|line| &line.points);
    let scale = Scale::upto(values.map(|(_, value)| *value).fold(0.0, f64::max), top);
    let changed: Vec<&Step> = steps
        .iter()
        .filter(|s| s.decision.from != s.decision.to)
        .collect();
    let mut free = 0.0;
    for step in &changed {
        let decision = &step.decision;
        let (x, y) = (time.x(decision.at), scale.y(f64::from(decision.to)));
        let class = if decision.to > decision.from {
            "out"
        } else {
            "in"
        };
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\"><title>{}</title></circle>",
            escaped(&format!(
                "{}: {} -> {} by {}: {}",
                decision.at, decision.from, decision.to, decision.by, decision.why
            ))
        );
        if changed.len() <= LABELS && x >= free {
            let _ = write!(
                svg,
                "<text class=\"label\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                y - 7.0,
                decision.to
            );
            free = x + APART;
        }
    }
}

/// From values to pixels, beginning with 0.
struct Scale {
    most: f64,
    tick: f64,
    top: f64,
}

impl Scale {
    /// A scale to the next round value above `most`.
    fn upto(most: f64, top: f64) -> Self {
        let most = if most.is_finite() { most.max(1.0) } else { 1.0 };
        let rough = most / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|r| r * power);
        let tick = round
            .into_iter()
            .find(|r| *r >= rough)
            .unwrap_or(rough)
            .max(1.0);
        Self {
            most: (most / tick).ceil() * tick,
            tick,
            top,
        }
    }

    fn y(&self, value: f64) -> f64 {
        self.top + HEIGHT * (1.0 - value / self.most)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (most, tick) = (self.most, self.tick);
        (0..=8_i32)
            .map(move |i| f64::from(i) * tick)
            .take_while(move |v| *v <= most)
    }
}

/// A number as an axis has it.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e9 => (v / 1e9, "G"),
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    if value.fract() == 0.0 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_values_above() {
        for (most, end, tick) in [
            (0.0, 1.0, 1.0),
            (7.0, 8.0, 2.0),
            (430.0, 600.0, 200.0),
            (12.0, 15.0, 5.0),
        ] {
            let scale = Scale::upto(most, 0.0);
            assert!(
                (scale.most - end).abs() < 1e-9 && (scale.tick - tick).abs() < 1e-9,
                "{most}"
            );
        }
        assert!((Scale::upto(f64::NAN, 0.0).most - 1.0).abs() < 1e-9);
    }

    #[test]
    fn numbers_of_axes_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (9999.0, "9999"),
            (12_500.0, "12.5k"),
            (3e6, "3M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn nothing_is_a_frame() {
        let svg = picture(&[], "a < b", Some(30.0));
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a &lt; b"));
    }
}
