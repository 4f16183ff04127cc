//! A picture of a day's routes: what is where is decided here, how it is drawn in `svg.rs` and `png.rs`.
//!
//! It shows areas and times, never a name, a street or a parcel's number.

mod layout;
mod png;
mod svg;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::calendar::clock_time;
use super::plan::Tour;
use super::planning::Routes;
use layout::{Frame, Labels};

/// Width of the picture, in pixels.
const WIDTH: f64 = 1280.0;
/// Height, in pixels.
const HEIGHT: f64 = 860.0;
/// Where the legend begins.
const LEGEND: f64 = 968.0;
/// Stops that are numbered; more would hide each other.
const NUMBERED: usize = 90;

/// How the picture is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    /// Dark on light.
    #[default]
    Light,
    /// Light on dark.
    Dark,
}

/// What a shape is, and so which colour it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Ground,
    Surface,
    Text,
    Quiet,
    Line,
    Faint,
    /// The colour of a tour.
    Tour(usize),
    /// What is written on a tour's colour.
    OnTour,
}

/// Colours of tours, light and dark: told apart by people who see colours differently too, each also by its number.
const TOURS: [(&str, &str); 10] = [
    ("#0b63c5", "#6db3ff"),
    ("#c2410c", "#ff9a5c"),
    ("#1a7a3c", "#6fd694"),
    ("#8b3fb8", "#cf9cf0"),
    ("#b3261e", "#ff8a80"),
    ("#00707d", "#5cd0de"),
    ("#8a6100", "#e8bd4a"),
    ("#c2277a", "#ff8fc7"),
    ("#4b5bd0", "#9fabff"),
    ("#4d6b1f", "#b3d66f"),
];

impl Ink {
    /// The colour in light and in dark.
    fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Ground => ("#fafbfc", "#0f1318"),
            Self::Surface => ("#ffffff", "#161c24"),
            Self::Text => ("#16202c", "#e8edf3"),
            Self::Quiet => ("#526071", "#9dabbb"),
            Self::Line => ("#dde3ea", "#2b343f"),
            Self::Faint => ("#eaeef3", "#1c232c"),
            Self::Tour(place) => TOURS[place % TOURS.len()],
            Self::OnTour => ("#ffffff", "#0b1016"),
        }
    }

    fn colour(self, theme: Theme) -> &'static str {
        let (light, dark) = self.colours();
        if theme == Theme::Light { light } else { dark }
    }
}

/// Where a text begins, ends or has its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// One thing that is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Rect { at: (f64, f64), size: (f64, f64), round: f64, fill: Ink, edge: Option<Ink> },
    Path { points: Vec<(f64, f64)>, width: f64, ink: Ink, dashed: bool, opacity: f64 },
    Dot { at: (f64, f64), radius: f64, fill: Ink, edge: Ink, width: f64 },
    Text { at: (f64, f64), size: f64, bold: bool, anchor: Anchor, ink: Ink, halo: bool, text: String },
}

/// The whole picture, back to front.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    shapes: Vec<Shape>,
    /// What it shows, for those who do not see it.
    title: String,
}

/// Draws a day.
pub(crate) fn draw(routes: &Routes) -> Picture {
    let tours: Vec<&Tour> = routes.day.tours().collect();
    let frame = Frame::around(tours.iter().flat_map(|tour| tour.visits.iter().map(|visit| visit.point)));
    let mut picture = Picture { shapes: Vec::new(), title: title(routes, &tours) };
    picture.rect((0.0, 0.0), (WIDTH, HEIGHT), 0.0, Ink::Ground, None);
    let (corner, size) = frame.area();
    picture.rect(corner, size, 12.0, Ink::Surface, Some(Ink::Line));
    picture.grid(&frame);
    for (place, tour) in tours.iter().enumerate() {
        picture.way(&frame, place, tour, routes);
    }
    let mut labels = Labels::default();
    picture.depot(&frame, &mut labels);
    for (place, tour) in tours.iter().enumerate() {
        picture.stops(&frame, place, tour, routes, &mut labels);
    }
    picture.areas(&frame, &tours, &mut labels);
    picture.head(routes, &tours);
    picture.legend(routes, &tours);
    picture
}

fn title(routes: &Routes, tours: &[&Tour]) -> String {
    let stops: usize = tours.iter().map(|tour| tour.visits.len()).sum();
    format!("Delivery routes of {}: {} vans, {stops} stops", routes.date, tours.len())
}

impl Picture {
    fn rect(&mut self, at: (f64, f64), size: (f64, f64), round: f64, fill: Ink, edge: Option<Ink>) {
        self.shapes.push(Shape::Rect { at, size, round, fill, edge });
    }

    fn text(&mut self, at: (f64, f64), size: f64, ink: Ink, anchor: Anchor, text: impl Into<String>) {
        self.shapes.push(Shape::Text { at, size, bold: false, anchor, ink, halo: false, text: text.into() });
    }

    fn bold(&mut self, at: (f64, f64), size: f64, ink: Ink, anchor: Anchor, text: impl Into<String>) {
        self.shapes.push(Shape::Text { at, size, bold: true, anchor, ink, halo: false, text: text.into() });
    }

    /// Kilometres to see how far things are apart.
    fn grid(&mut self, frame: &Frame) {
        let ((left, top), (width, height)) = frame.area();
        let step = frame.kilometres(frame.grid());
        for (from, to) in frame.lines(step) {
            self.shapes.push(Shape::Path {
                points: vec![from, to],
                width: 1.0,
                ink: Ink::Faint,
                dashed: false,
                opacity: 1.0,
            });
        }
        let (right, bottom) = (left + width - 18.0, top + height - 18.0);
        let scale = vec![(right - step, bottom - 5.0), (right - step, bottom), (right, bottom), (right, bottom - 5.0)];
        self.shapes.push(Shape::Path { points: scale, width: 1.5, ink: Ink::Quiet, dashed: false, opacity: 1.0 });
        let label = format!("{} km", frame.grid());
        self.text((right - step / 2.0, bottom - 8.0), 12.0, Ink::Quiet, Anchor::Middle, label);
    }

    /// From the depot over all doors and back. What is driven already is pale.
    fn way(&mut self, frame: &Frame, place: usize, tour: &Tour, routes: &Routes) {
        let depot = frame.point(super::area::DEPOT);
        let doors: Vec<_> = tour.visits.iter().map(|visit| frame.point(visit.point)).collect();
        let done = tour.visits.iter().take_while(|visit| routes.day.visited.contains(&visit.parcel)).count();
        let ink = Ink::Tour(place);
        let path =
            |points: Vec<(f64, f64)>, width, dashed, opacity| Shape::Path { points, width, ink, dashed, opacity };
        let driven: Vec<_> = std::iter::once(depot).chain(doors.iter().copied().take(done)).collect();
        let here = driven.last().copied().unwrap_or(depot);
        if driven.len() > 1 {
            self.shapes.push(path(driven, 2.5, false, 0.35));
        }
        let ahead: Vec<_> = std::iter::once(here).chain(doors.iter().copied().skip(done)).collect();
        let last = ahead.last().copied().unwrap_or(depot);
        if ahead.len() > 1 {
            self.shapes.push(path(ahead, 2.5, false, 0.9));
        }
        self.shapes.push(path(vec![last, depot], 1.5, true, 0.45));
    }

    fn stops(&mut self, frame: &Frame, place: usize, tour: &Tour, routes: &Routes, labels: &mut Labels) {
        let numbered = routes.day.tours().map(|tour| tour.visits.len()).sum::<usize>() <= NUMBERED;
        let radius = if numbered { 9.0 } else { 5.0 };
        for (number, visit) in tour.visits.iter().enumerate() {
            let at = frame.point(visit.point);
            let visited = routes.day.visited.contains(&visit.parcel);
            let (fill, edge, ink) = if visited {
                (Ink::Surface, Ink::Tour(place), Ink::Tour(place))
            } else {
                (Ink::Tour(place), Ink::Surface, Ink::OnTour)
            };
            self.shapes.push(Shape::Dot { at, radius, fill, edge, width: 1.5 });
            if numbered {
                self.bold((at.0, at.1 + 3.6), 10.0, ink, Anchor::Middle, (number + 1).to_string());
            }
            labels.take(at, radius);
        }
    }

    fn depot(&mut self, frame: &Frame, labels: &mut Labels) {
        let (x, y) = frame.point(super::area::DEPOT);
        self.rect((x - 9.0, y - 9.0), (18.0, 18.0), 4.0, Ink::Text, Some(Ink::Surface));
        let house = vec![
            (x - 4.5, y + 4.0),
            (x - 4.5, y - 0.5),
            (x, y - 4.5),
            (x + 4.5, y - 0.5),
            (x + 4.5, y + 4.0),
            (x - 4.5, y + 4.0),
        ];
        self.shapes.push(Shape::Path { points: house, width: 1.5, ink: Ink::Ground, dashed: false, opacity: 1.0 });
        let text = "Depot".to_owned();
        self.shapes.push(Shape::Text {
            at: (x, y - 15.0),
            size: 13.0,
            bold: true,
            anchor: Anchor::Middle,
            ink: Ink::Text,
            halo: true,
            text,
        });
        labels.take((x, y - 8.0), 22.0);
    }

    /// Names of areas where there is room: those with stops first.
    fn areas(&mut self, frame: &Frame, tours: &[&Tour], labels: &mut Labels) {
        let served = |name: &str| tours.iter().any(|tour| tour.visits.iter().any(|visit| visit.area == name));
        let mut areas: Vec<_> = super::area::AREAS.iter().map(|area| (!served(area.1), area)).collect();
        areas.sort_by_key(|(empty, area)| (*empty, area.0));
        for (empty, (_, name, lat, lon)) in areas {
            let at = frame.point(super::area::Point { lat: *lat, lon: *lon });
            let size = if empty { 11.0 } else { 12.5 };
            if frame.holds(at)
                && let Some(at) = labels.place(at, name, size)
            {
                let (ink, text) = (Ink::Quiet, (*name).to_owned());
                self.shapes.push(Shape::Text { at, size, bold: false, anchor: Anchor::Middle, ink, halo: true, text });
            }
        }
    }

    fn head(&mut self, routes: &Routes, tours: &[&Tour]) {
        self.bold((32.0, 44.0), 22.0, Ink::Text, Anchor::Start, format!("Delivery routes, {}", routes.date));
        let stops: usize = tours.iter().map(|tour| tour.visits.len()).sum();
        let kilometres: i64 = tours.iter().map(|tour| tour.metres).sum::<i64>() / 1000;
        let vans = plural(tours.len(), "van", "vans");
        let mut facts = format!("{vans}, {}, {kilometres} km", plural(stops, "stop", "stops"));
        if !routes.day.visited.is_empty() {
            facts.push_str(&format!(", {} delivered", routes.day.visited.len()));
        }
        if let Some(at) = routes.planned_at {
            facts.push_str(&format!(". Planned at {}", clock_time(at)));
        }
        self.text((32.0, 68.0), 14.0, Ink::Quiet, Anchor::Start, facts);
    }

    fn legend(&mut self, routes: &Routes, tours: &[&Tour]) {
        let mut y = 104.0;
        let height = layout::legend_row(tours.len());
        for (place, tour) in tours.iter().enumerate() {
            self.rect((LEGEND, y - 11.0), (14.0, 14.0), 4.0, Ink::Tour(place), None);
            self.bold((LEGEND + 24.0, y), 14.0, Ink::Text, Anchor::Start, tour.van.clone());
            let times = format!("{} – {}", clock_time(tour.departs), clock_time(tour.returns));
            self.text((WIDTH - 32.0, y), 13.0, Ink::Text, Anchor::End, times);
            let done = tour.visits.iter().filter(|visit| routes.day.visited.contains(&visit.parcel)).count();
            let stops = plural(tour.visits.len(), "stop", "stops");
            let done = if done > 0 { format!(", {done} delivered") } else { String::new() };
            let facts = format!("{stops}, {} km{done}", tour.metres / 1000);
            if height > 30.0 {
                self.text((LEGEND + 24.0, y + 17.0), 12.0, Ink::Quiet, Anchor::Start, facts);
            }
            y += height;
        }
        if tours.is_empty() {
            self.text((LEGEND, y), 14.0, Ink::Quiet, Anchor::Start, "No van goes out.");
            y += 30.0;
        }
        for down in &routes.day.down {
            self.text((LEGEND, y + 4.0), 13.0, Ink::Quiet, Anchor::Start, format!("{down} has broken down"));
            y += 22.0;
        }
        if !routes.day.unassigned.is_empty() {
            let left = plural(routes.day.unassigned.len(), "parcel", "parcels");
            self.text((LEGEND, y + 8.0), 13.0, Ink::Text, Anchor::Start, format!("{left} not on a route"));
        }
        let foot = "Filled: to do. Hollow: delivered. Dashed: way back.";
        self.text((LEGEND, HEIGHT - 50.0), 12.0, Ink::Quiet, Anchor::Start, foot);
        self.text((LEGEND, HEIGHT - 33.0), 12.0, Ink::Quiet, Anchor::Start, "Simulated parcels, approximate places.");
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
