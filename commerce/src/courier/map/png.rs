//! The picture as PNG, for mail and paper: the same shapes as the SVG, drawn here.

use epaint_default_fonts::UBUNTU_LIGHT;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};
use ttf_parser::{Face, OutlineBuilder};

use super::{Anchor, HEIGHT, Ink, Picture, Shape, Theme, WIDTH};

/// Pixels of the PNG for one of the picture: sharp on paper and on fine screens.
const SCALE: f32 = 2.0;

/// How much fatter than the light face letters are drawn, in parts of their size: plain, bold, and behind a name.
const WEIGHT: (f32, f32, f32) = (0.024, 0.07, 0.3);

/// What is drawn on.
struct Paper {
    pixels: Pixmap,
    face: Face<'static>,
    theme: Theme,
}

impl Picture {
    /// In a theme; nothing if there is no memory for it.
    pub(crate) fn png(&self, theme: Theme) -> Option<Vec<u8>> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousand pixels")]
        let (width, height) = ((WIDTH as f32 * SCALE) as u32, (HEIGHT as f32 * SCALE) as u32);
        let face = Face::parse(UBUNTU_LIGHT, 0).ok()?;
        let mut paper = Paper { pixels: Pixmap::new(width, height)?, face, theme };
        for shape in &self.shapes {
            // A shape without any extent is not drawn.
            let _ = paper.draw(shape);
        }
        paper.pixels.encode_png().ok()
    }
}

impl Paper {
    fn draw(&mut self, shape: &Shape) -> Option<()> {
        match shape {
            Shape::Rect { at, size, round, fill, edge } => {
                let path = rounded(small(*at), small(*size), narrow(*round))?;
                self.fill(&path, *fill);
                if let Some(edge) = edge {
                    self.stroke(&path, *edge, Stroke { width: 1.0, ..Stroke::default() }, 1.0);
                }
            }
            Shape::Path { points, width, ink, dashed, opacity } => {
                let mut builder = PathBuilder::new();
                for (place, point) in points.iter().enumerate() {
                    let (x, y) = small(*point);
                    if place == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
                }
                let dash = if *dashed { StrokeDash::new(vec![5.0, 5.0], 0.0) } else { None };
                let (line_cap, line_join) = (LineCap::Round, LineJoin::Round);
                let stroke = Stroke { width: narrow(*width), dash, line_cap, line_join, ..Stroke::default() };
                self.stroke(&builder.finish()?, *ink, stroke, narrow(*opacity));
            }
            Shape::Dot { at, radius, fill, edge, width } => {
                let (x, y) = small(*at);
                let path = PathBuilder::from_circle(x, y, narrow(*radius))?;
                self.fill(&path, *fill);
                self.stroke(&path, *edge, Stroke { width: narrow(*width), ..Stroke::default() }, 1.0);
            }
            Shape::Text { at, size, bold, anchor, ink, halo, text } => {
                let size = narrow(*size);
                let path = self.letters(text, small(*at), size, *anchor)?;
                let fat = |part: f32| Stroke { width: size * part, line_join: LineJoin::Round, ..Stroke::default() };
                if *halo {
                    self.stroke(&path, Ink::Surface, fat(WEIGHT.2), 1.0);
                }
                self.stroke(&path, *ink, fat(if *bold { WEIGHT.1 } else { WEIGHT.0 }), 1.0);
                self.fill(&path, *ink);
            }
        }
        Some(())
    }

    /// The outlines of a text.
    fn letters(&self, text: &str, at: (f32, f32), size: f32, anchor: Anchor) -> Option<Path> {
        let scale = size / f32::from(self.face.units_per_em());
        let glyphs: Vec<_> = text.chars().filter_map(|letter| self.face.glyph_index(letter)).collect();
        let advance = |glyph| f32::from(self.face.glyph_hor_advance(glyph).unwrap_or(0)) * scale;
        let width: f32 = glyphs.iter().map(|glyph| advance(*glyph)).sum();
        let mut x = match anchor {
            Anchor::Start => at.0,
            Anchor::Middle => at.0 - width / 2.0,
            Anchor::End => at.0 - width,
        };
        let mut pen = Pen { builder: PathBuilder::new(), x, y: at.1, scale };
        for glyph in glyphs {
            pen.x = x;
            self.face.outline_glyph(glyph, &mut pen);
            x += advance(glyph);
        }
        pen.builder.finish()
    }

    fn fill(&mut self, path: &Path, ink: Ink) {
        let paint = self.paint(ink, 1.0);
        self.pixels.fill_path(path, &paint, FillRule::Winding, Transform::from_scale(SCALE, SCALE), None);
    }

    fn stroke(&mut self, path: &Path, ink: Ink, stroke: Stroke, opacity: f32) {
        let paint = self.paint(ink, opacity);
        self.pixels.stroke_path(path, &paint, &stroke, Transform::from_scale(SCALE, SCALE), None);
    }

    fn paint(&self, ink: Ink, opacity: f32) -> Paint<'static> {
        let code = u32::from_str_radix(ink.colour(self.theme).trim_start_matches('#'), 16).unwrap_or(0);
        let [_, red, green, blue] = code.to_be_bytes();
        let mut colour = Color::from_rgba8(red, green, blue, 255);
        colour.apply_opacity(opacity);
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        paint.set_color(colour);
        paint
    }
}

/// Draws a letter where it stands; fonts count upwards, pictures downwards.
struct Pen {
    builder: PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}

/// A rectangle with round corners.
fn rounded(at: (f32, f32), size: (f32, f32), round: f32) -> Option<Path> {
    let (left, top, right, bottom) = (at.0, at.1, at.0 + size.0, at.1 + size.1);
    if round <= 0.0 {
        return Some(PathBuilder::from_rect(Rect::from_ltrb(left, top, right, bottom)?));
    }
    let mut path = PathBuilder::new();
    path.move_to(left + round, top);
    path.line_to(right - round, top);
    path.quad_to(right, top, right, top + round);
    path.line_to(right, bottom - round);
    path.quad_to(right, bottom, right - round, bottom);
    path.line_to(left + round, bottom);
    path.quad_to(left, bottom, left, bottom - round);
    path.line_to(left, top + round);
    path.quad_to(left, top, left + round, top);
    path.close();
    path.finish()
}

fn small((x, y): (f64, f64)) -> (f32, f32) {
    (narrow(x), narrow(y))
}

#[expect(clippy::cast_possible_truncation, reason = "places on paper")]
fn narrow(value: f64) -> f32 {
    value as f32
}
