//! The picture as SVG: follows the reader's light or dark by itself.

use std::fmt::Write;

use super::{Anchor, HEIGHT, Ink, Picture, Shape, TOURS, Theme, WIDTH};

const INKS: [(Ink, &str); 7] = [
    (Ink::Ground, "ground"),
    (Ink::Surface, "surface"),
    (Ink::Text, "text"),
    (Ink::Quiet, "quiet"),
    (Ink::Line, "line"),
    (Ink::Faint, "faint"),
    (Ink::OnTour, "on"),
];

impl Picture {
    /// With a theme, or with the reader's.
    pub(crate) fn svg(&self, theme: Option<Theme>) -> String {
        let mut svg = String::with_capacity(64 * 1024);
        let title = escape(&self.title);
        svg.push_str(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>"
        ));
        svg.push_str("<style>svg{font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums}");
        match theme {
            Some(theme) => svg.push_str(&format!(":root{{{}}}", variables(theme))),
            None => svg.push_str(&format!(
                ":root{{{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}",
                variables(Theme::Light),
                variables(Theme::Dark)
            )),
        }
        svg.push_str("</style>");
        for shape in &self.shapes {
            // Writing to a String cannot fail.
            let _ = write_shape(&mut svg, shape);
        }
        svg.push_str("</svg>");
        svg
    }
}

/// All colours of a theme.
fn variables(theme: Theme) -> String {
    let mut variables: String = INKS.iter().map(|(ink, name)| format!("--{name}:{};", ink.colour(theme))).collect();
    for place in 0..TOURS.len() {
        variables.push_str(&format!("--t{place}:{};", Ink::Tour(place).colour(theme)));
    }
    variables
}

fn name(ink: Ink) -> String {
    match ink {
        Ink::Tour(place) => format!("var(--t{})", place % TOURS.len()),
        other => {
            let known = INKS.iter().find(|(ink, _)| *ink == other);
            format!("var(--{})", known.map_or("text", |(_, name)| name))
        }
    }
}

fn write_shape(svg: &mut String, shape: &Shape) -> std::fmt::Result {
    match shape {
        Shape::Rect { at, size, round, fill, edge } => {
            let edge = edge.map_or_else(String::new, |ink| format!(";stroke:{}", name(ink)));
            write!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{round:.0}\" style=\"fill:{}{edge}\"/>",
                at.0,
                at.1,
                size.0,
                size.1,
                name(*fill)
            )
        }
        Shape::Path { points, width, ink, dashed, opacity } => {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let dashes = if *dashed { " stroke-dasharray=\"5 5\"" } else { "" };
            write!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke-width=\"{width}\" stroke-opacity=\"{opacity}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dashes} style=\"stroke:{}\"/>",
                points.join(" "),
                name(*ink)
            )
        }
        Shape::Dot { at, radius, fill, edge, width } => write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\" stroke-width=\"{width}\" style=\"fill:{};stroke:{}\"/>",
            at.0,
            at.1,
            name(*fill),
            name(*edge)
        ),
        Shape::Text { at, size, bold, anchor, ink, halo, text } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let weight = if *bold { " font-weight=\"650\"" } else { "" };
            let halo = if *halo {
                ";stroke:var(--surface);stroke-width:3px;paint-order:stroke;stroke-linejoin:round"
            } else {
                ""
            };
            write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\"{weight} style=\"fill:{}{halo}\">{}</text>",
                at.0,
                at.1,
                name(*ink),
                escape(text)
            )
        }
    }
}

/// Text as XML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
