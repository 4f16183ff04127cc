//! Line charts as SVG, for one file that loads nothing.

use std::fmt::Write;

use crate::measure::Unit;

/// Size of a chart in its own units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
/// Room for labels at the left, below and above.
const LEFT: f64 = 84.0;
const BOTTOM: f64 = 34.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 14.0;
/// Colours that the style sheet knows.
const COLOURS: usize = 8;

/// One line of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub(crate) name: String,
    /// By x, ascending.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Places on an axis, with their labels.
pub(crate) type Ticks = Vec<(f64, String)>;

/// What a chart shows.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) curves: Vec<Curve>,
    /// What x is.
    pub(crate) along: &'static str,
    /// Where x begins and ends at least.
    pub(crate) range: Option<(f64, f64)>,
    /// Places to mark on the x axis; picked if there are none.
    pub(crate) ticks: Ticks,
}

impl Chart {
    /// Over a run's time.
    pub(crate) fn over_time(title: &str, unit: Unit, curves: Vec<Curve>) -> Self {
        Self { title: title.to_owned(), unit, curves, along: "seconds", range: None, ticks: Vec::new() }
    }

    /// The chart as a figure of a page; nothing if there is nothing to draw.
    pub(crate) fn draw(&self) -> String {
        let curves: Vec<&Curve> = self.curves.iter().filter(|curve| !curve.points.is_empty()).collect();
        let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
        if points().any(|(x, y)| !x.is_finite() || !y.is_finite()) || points().next().is_none() {
            return String::new();
        }
        let least = points().map(|(x, _)| x).chain(self.range.map(|range| range.0)).fold(f64::INFINITY, f64::min);
        let most = points().map(|(x, _)| x).chain(self.range.map(|range| range.1)).fold(least + 1e-9, f64::max);
        let step = nice_step(points().map(|(_, y)| y).fold(0.0, f64::max), 5.0);
        let top = (points().map(|(_, y)| y).fold(0.0, f64::max) / step).ceil().max(1.0) * step;
        let x = |value: f64| LEFT + (value - least) / (most - least) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP);
        let mut svg = format!(
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(&self.title),
            escape(&self.title)
        );
        let lines = (top / step).round() as u32;
        for line in 0..=lines {
            let value = f64::from(line) * step;
            let at = y(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text class=\"y\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0,
                escape(&self.unit.show(value))
            );
        }
        let picked = || {
            let step = nice_step(most - least, 8.0);
            let first = (least / step).ceil() as i64;
            let last = (most / step).floor() as i64;
            (first..=last).map(|number| (number as f64 * step, Unit::Number.show(number as f64 * step))).collect()
        };
        let ticks: Ticks = if self.ticks.is_empty() { picked() } else { self.ticks.clone() };
        for (value, label) in ticks.iter().filter(|(value, _)| (least..=most).contains(value)) {
            let (at, below) = (x(*value), HEIGHT - BOTTOM);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1} {below:.1}v4\"/><text class=\"x\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                below + 17.0,
                escape(label)
            );
        }
        let _ =
            write!(svg, "<text class=\"x along\" x=\"{}\" y=\"{}\">{}</text>", WIDTH - RIGHT, HEIGHT - 3.0, self.along);
        for (number, curve) in curves.iter().enumerate() {
            let colour = number % COLOURS;
            let places: Vec<_> =
                curve.points.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
            let _ = write!(svg, "<path class=\"line c{colour}\" d=\"M{}\"/>", places.join("L"));
            if let [single] = places.as_slice() {
                let (at, value) = single.split_once(' ').unwrap_or_default();
                let _ = write!(svg, "<circle class=\"dot c{colour}\" cx=\"{at}\" cy=\"{value}\" r=\"3\"/>");
            }
        }
        svg.push_str("</svg><ul class=\"key\">");
        for (number, curve) in curves.iter().enumerate() {
            let _ = write!(svg, "<li class=\"c{}\">{}</li>", number % COLOURS, escape(&curve.name));
        }
        svg + "</ul></figure>\n"
    }
}

/// A round number that divides `range` into at most about `parts`.
fn nice_step(range: f64, parts: f64) -> f64 {
    let rough = (range / parts).max(1e-9);
    let scale = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * scale >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * scale
}

/// Text that cannot end what it is inside of.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        assert_eq!([0.9, 7.0, 43.0, 100.0].map(|range| nice_step(range, 5.0)), [0.2, 2.0, 10.0, 20.0]);
    }

    #[test]
    fn nothing_to_draw_draws_nothing() {
        let curve = |points: &[(f64, f64)]| Curve { name: "a<b".to_owned(), points: points.to_vec() };
        let draw = |points: &[(f64, f64)]| Chart::over_time("T", Unit::Number, vec![curve(points)]).draw();
        assert_eq!((draw(&[]), draw(&[(0.0, f64::NAN)])), (String::new(), String::new()));
        let one = draw(&[(3.0, 4.0)]);
        assert!(one.contains("<circle") && one.contains("a&lt;b") && !one.contains("NaN"), "{one}");
    }

    proptest! {
        #[test]
        fn every_point_is_inside_the_picture(points in prop::collection::vec((0.0..1e4f64, 0.0..1e12f64), 1..50)) {
            let svg = Chart::over_time("T", Unit::Bytes, vec![Curve { name: String::new(), points: points.clone() }]).draw();
            let path = svg.split("class=\"line c0\" d=\"M").nth(1).unwrap().split('"').next().unwrap();
            let places: Vec<Vec<f64>> =
                path.split('L').map(|place| place.split(' ').map(|number| number.parse().unwrap()).collect()).collect();
            prop_assert_eq!(places.len(), points.len());
            for place in places {
                prop_assert!((LEFT - 0.1..=WIDTH).contains(&place[0]) && (0.0..=HEIGHT).contains(&place[1]), "{place:?}");
            }
        }
    }
}
