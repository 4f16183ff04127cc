//! A picture of the bins: where there is room, and where the cold is.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bins::{Bin, Zone, layout};

/// One bin and how full it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct BinView {
    /// `A-03-2`: aisle, shelf, bin.
    pub(crate) bin: String,
    pub(crate) zone: Zone,
    /// Place in the walk of a picker.
    pub(crate) walk: i64,
    /// Millilitres that fit; nothing where goods only pass.
    pub(crate) capacity_ml: Option<i64>,
    /// Millilitres taken.
    pub(crate) used_ml: i64,
}

/// All bins in the order of the walk, with what is in them.
pub(super) fn views(used: &BTreeMap<String, i64>) -> Vec<BinView> {
    let mut bins = layout();
    bins.sort_by_key(|bin| bin.walk);
    let view = |bin: Bin| BinView {
        used_ml: used.get(&bin.name).copied().unwrap_or(0),
        capacity_ml: (!passing(bin.zone)).then_some(bin.capacity_ml),
        bin: bin.name,
        zone: bin.zone,
        walk: bin.walk,
    };
    bins.into_iter().map(view).collect()
}

fn passing(zone: Zone) -> bool {
    matches!(zone, Zone::Dock | Zone::Pack)
}

/// Pixels of a bin, of the gap between bins, and of the margin.
const BIN: (i64, i64) = (64, 22);
const GAP: i64 = 4;
const MARGIN: i64 = 24;

/// Colours of the player's page, by day and by night.
const STYLE: &str = "
svg{--ground:#fafbfc;--surface:#fff;--ink:#16202c;--quiet:#526071;--line:#dde3ea;--accent:#0b63c5;--cold:#0e7c86}
@media(prefers-color-scheme:dark){svg{--ground:#0f1318;--surface:#161c24;--ink:#e8edf3;--quiet:#9dabbb;--line:#2b343f;--accent:#6db3ff;--cold:#5cc8d2}}
text{font:12px system-ui,sans-serif;fill:var(--ink)}.quiet{fill:var(--quiet)}.title{font-size:16px;font-weight:600}
.ground{fill:var(--ground)}.bin{fill:var(--surface);stroke:var(--line)}.full{fill:var(--accent);fill-opacity:.35}
.cold .full{fill:var(--cold)}.cold .bin{stroke:var(--cold)}.name{font-size:11px}";

/// The map: a block per aisle, a row per shelf, a box per bin that fills from the left.
pub(super) fn svg(used: &BTreeMap<String, i64>) -> String {
    let bins = layout();
    let mut aisles: Vec<&str> = Vec::new();
    for bin in &bins {
        if !aisles.contains(&bin.aisle.as_str()) {
            aisles.push(&bin.aisle);
        }
    }
    let mut body = String::new();
    let (mut x, mut bottom) = (MARGIN, 0);
    for aisle in aisles {
        let bins: Vec<&Bin> = bins.iter().filter(|bin| bin.aisle == aisle).collect();
        let zone = bins.first().map_or(Zone::Ambient, |bin| bin.zone);
        let class = if zone == Zone::Cold { "cold" } else { zone.as_str() };
        let caption = if passing(zone) { aisle.to_owned() } else { format!("{aisle} · {}", zone.as_str()) };
        let _ = write!(body, "<g class='{class}'><text x='{x}' y='74' font-weight='600'>{caption}</text>");
        for bin in &bins {
            let (left, top) = (x + (bin.place - 1) * (BIN.0 + GAP), 84 + (bin.shelf - 1) * (BIN.1 + GAP));
            draw(&mut body, bin, used.get(&bin.name).copied().unwrap_or(0), (left, top));
            bottom = bottom.max(top + BIN.1);
        }
        body.push_str("</g>");
        let places = bins.iter().map(|bin| bin.place).max().unwrap_or(1);
        x += places * (BIN.0 + GAP) + MARGIN;
    }
    let (width, height) = (x, bottom + MARGIN);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img' aria-label='Map of the bins'>\
         <style>{STYLE}</style><rect class='ground' width='{width}' height='{height}'/>\
         <text class='title' x='{MARGIN}' y='32'>Bins of the warehouse</text>\
         <text class='quiet' x='{MARGIN}' y='50'>A box is filled as far as its bin is full.</text>{body}</svg>"
    )
}

fn draw(body: &mut String, bin: &Bin, used: i64, (left, top): (i64, i64)) {
    let name = &bin.name;
    let share = if passing(bin.zone) {
        i64::from(used > 0) * 100
    } else {
        (used.saturating_mul(100) / bin.capacity_ml).min(100)
    };
    let (width, height) = BIN;
    // What is there shows, however little it is.
    let filled = if used > 0 { (width * share / 100).max(2) } else { 0 };
    let told = if passing(bin.zone) { format!("{name}: {used} ml") } else { format!("{name}: {share} % full") };
    let _ = write!(
        body,
        "<g><title>{told}</title><rect class='bin' x='{left}' y='{top}' width='{width}' height='{height}' rx='3'/>\
         <rect class='full' x='{left}' y='{top}' width='{filled}' height='{height}' rx='3'/>\
         <text class='name' x='{}' y='{}'>{name}</text></g>",
        left + 6,
        top + 15
    );
}

#[cfg(test)]
mod tests {
    use super::{svg, views};

    #[test]
    fn every_bin_is_on_the_map() {
        let used = [("K-01-1".to_owned(), 30_000), ("A-01-1".to_owned(), 1), ("PACK".to_owned(), 5)].into();
        let picture = svg(&used);
        for view in views(&used) {
            assert!(picture.contains(&format!(">{}</text>", view.bin)), "{}", view.bin);
        }
        assert!(picture.contains("K-01-1: 50 % full") && picture.contains("A-01-1: 0 % full"));
        assert!(picture.contains("PACK: 5 ml"));
        if let Ok(path) = std::env::var("EFIR_BINS_SVG") {
            std::fs::write(path, picture).unwrap();
        }
    }
}
