//! Where things are on the paper: the map's frame, and names that do not cover each other.

use super::super::area::{DEPOT, Point};
use super::{HEIGHT, LEGEND};

/// Upper left corner and lower right corner of the map.
const CORNERS: ((f64, f64), (f64, f64)) = ((32.0, 88.0), (LEGEND - 28.0, HEIGHT - 32.0));

/// Room between the outermost stop and the map's edge, in pixels.
const MARGIN: f64 = 46.0;

/// Least height of what is shown, in degrees north: some 9 km.
const LEAST: f64 = 0.08;

/// From degrees to pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// The middle of what is shown.
    middle: Point,
    /// Pixels in a degree north.
    scale: f64,
    /// Degrees east in one degree north's length, here.
    squeeze: f64,
}

impl Frame {
    /// The largest that shows the depot and all points.
    pub(super) fn around(points: impl Iterator<Item = Point>) -> Self {
        let (mut south, mut north, mut west, mut east) = (DEPOT.lat, DEPOT.lat, DEPOT.lon, DEPOT.lon);
        for point in points {
            (south, north) = (south.min(point.lat), north.max(point.lat));
            (west, east) = (west.min(point.lon), east.max(point.lon));
        }
        let middle = Point { lat: (south + north) / 2.0, lon: (west + east) / 2.0 };
        let squeeze = middle.lat.to_radians().cos();
        let ((left, top), (right, bottom)) = CORNERS;
        let (width, height) = (right - left - 2.0 * MARGIN, bottom - top - 2.0 * MARGIN);
        let scale = (height / (north - south).max(LEAST)).min(width / ((east - west) * squeeze).max(LEAST));
        Self { middle, scale, squeeze }
    }

    /// Corner and size of the map.
    pub(super) fn area(&self) -> ((f64, f64), (f64, f64)) {
        let ((left, top), (right, bottom)) = CORNERS;
        ((left, top), (right - left, bottom - top))
    }

    /// Where a point is on the paper.
    pub(super) fn point(&self, point: Point) -> (f64, f64) {
        let ((left, top), (right, bottom)) = CORNERS;
        let x = f64::midpoint(left, right) + (point.lon - self.middle.lon) * self.squeeze * self.scale;
        let y = f64::midpoint(top, bottom) - (point.lat - self.middle.lat) * self.scale;
        (x, y)
    }

    /// Whether a name can stand there.
    pub(super) fn holds(&self, at: (f64, f64)) -> bool {
        let ((left, top), (right, bottom)) = CORNERS;
        at.0 > left + 50.0 && at.0 < right - 50.0 && at.1 > top + 20.0 && at.1 < bottom - 34.0
    }

    /// Pixels of so many kilometres.
    pub(super) fn kilometres(&self, kilometres: u32) -> f64 {
        f64::from(kilometres) / 111.195 * self.scale
    }

    /// Kilometres between two lines of the grid.
    pub(super) fn grid(&self) -> u32 {
        [1, 2, 5, 10, 20].into_iter().find(|step| self.kilometres(*step) >= 60.0).unwrap_or(50)
    }

    /// The grid's lines, from the map's edge to its other edge.
    pub(super) fn lines(&self, step: f64) -> Vec<((f64, f64), (f64, f64))> {
        let ((left, top), (right, bottom)) = CORNERS;
        let mut lines = Vec::new();
        let mut x = left + step;
        while x < right - 1.0 {
            lines.push(((x, top + 1.0), (x, bottom - 1.0)));
            x += step;
        }
        let mut y = bottom - step;
        while y > top + 1.0 {
            lines.push(((left + 1.0, y), (right - 1.0, y)));
            y -= step;
        }
        lines
    }
}

/// Height of a row of the legend for so many tours, in pixels.
pub(super) fn legend_row(tours: usize) -> f64 {
    let rows = f64::from(u32::try_from(tours.max(1)).unwrap_or(u32::MAX));
    ((HEIGHT - 240.0) / rows).min(46.0)
}

/// What is taken already.
#[derive(Debug, Default)]
pub(super) struct Labels {
    boxes: Vec<(f64, f64, f64, f64)>,
}

impl Labels {
    /// Keeps names away from a dot.
    pub(super) fn take(&mut self, at: (f64, f64), radius: f64) {
        self.boxes.push((at.0 - radius, at.1 - radius, at.0 + radius, at.1 + radius));
    }

    /// A place for a name around a point, if there is one: below, above, on it.
    pub(super) fn place(&mut self, at: (f64, f64), name: &str, size: f64) -> Option<(f64, f64)> {
        let half = f64::from(u32::try_from(name.chars().count()).unwrap_or(0)) * size * 0.28 + 3.0;
        for down in [4.0, 20.0, -16.0] {
            let (x, y) = (at.0, at.1 + down);
            let wanted = (x - half, y - size, x + half, y + 3.0);
            let covers = |taken: &(f64, f64, f64, f64)| {
                wanted.0 < taken.2 && taken.0 < wanted.2 && wanted.1 < taken.3 && taken.1 < wanted.3
            };
            if !self.boxes.iter().any(covers) {
                self.boxes.push(wanted);
                return Some((x, y));
            }
        }
        None
    }
}
