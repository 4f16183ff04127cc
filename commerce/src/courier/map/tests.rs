//! Pictures of made-up days.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::area::{AREAS, DEPOT, Point};
use super::super::calendar::Date;
use super::super::plan::{self, Day, Problem, Stop, Van};
use super::super::planning::Routes;
use super::{Theme, draw};

/// A day with so many stops for so many vans, of which some are done.
fn day(stops: usize, vans: usize, done: usize) -> Routes {
    let date = Date::parse("2026-11-23").unwrap();
    let van = |place: usize| Van {
        id: if place % 3 == 2 { format!("cold-line-{}", place / 3 + 1) } else { format!("swift-{}", place + 1) },
        skills: BTreeSet::new(),
        weight_g: 100_000,
        volume_ml: 1_000_000,
        from: date.hour(8),
        until: date.hour(20),
    };
    let stop = |place: usize| {
        let (_, name, lat, lon) = AREAS[place * 37 % AREAS.len()];
        let part = |by: u32| f64::from(u32::try_from(place).unwrap() * by % 100) / 100.0 - 0.5;
        let weight_g = 8_000;
        Stop {
            id: format!("SECRET{place}"),
            point: Point { lat: lat + part(31) * 0.008, lon: lon + part(57) * 0.016 },
            area: name.to_owned(),
            weight_g,
            volume_ml: 20_000,
            needs: if place == 5 { BTreeSet::from(["wings".to_owned()]) } else { BTreeSet::new() },
            from: date.hour(if place.is_multiple_of(2) { 8 } else { 12 }),
            until: date.hour(if place.is_multiple_of(2) { 14 } else { 20 }),
            service_ms: i64::try_from(plan::service(weight_g).as_millis()).unwrap(),
        }
    };
    let problem = Problem { depot: DEPOT, vans: (0..vans).map(van).collect(), stops: (0..stops).map(stop).collect() };
    let planned = plan::plan(&problem, Duration::from_secs(1));
    let visits = planned.tours.first().map(|tour| tour.visits.clone()).unwrap_or_default();
    let mut routes = Day::default().with(planned);
    routes.visited = visits.iter().take(done).map(|visit| visit.parcel.clone()).collect();
    routes.down = if done > 0 { BTreeSet::from(["steady-2".to_owned()]) } else { BTreeSet::new() };
    Routes { date, planned_at: Some(date.hour(7)), version: 3, day: routes }
}

#[test]
fn pictures_are_whole_and_tell_no_secrets() {
    for (stops, vans, done) in [(0, 0, 0), (1, 1, 0), (40, 5, 4), (200, 20, 3)] {
        let routes = day(stops, vans, done);
        let svg = draw(&routes).svg(None);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && svg.contains("prefers-color-scheme:dark"));
        assert!(!svg.contains("SECRET") && !svg.contains("NaN") && !svg.contains("inf"), "{stops}");
        assert_eq!(svg.matches("<circle").count(), routes.day.tours().map(|tour| tour.visits.len()).sum::<usize>());
        let dark = draw(&routes).svg(Some(Theme::Dark));
        assert!(dark.contains("--ground:#0f1318") && !dark.contains("prefers-color-scheme"));
        let png = draw(&routes).png(Theme::Light).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000);
        // For a person who wants to look: EFIR_PICTURES=folder.
        if let Some(folder) = std::env::var_os("EFIR_PICTURES") {
            let folder = std::path::Path::new(&folder);
            std::fs::write(folder.join(format!("map-{stops}.svg")), draw(&routes).svg(Some(Theme::Light))).unwrap();
            std::fs::write(folder.join(format!("map-{stops}-dark.svg")), dark).unwrap();
            std::fs::write(folder.join(format!("map-{stops}.png")), png).unwrap();
            std::fs::write(folder.join(format!("map-{stops}-dark.png")), draw(&routes).png(Theme::Dark).unwrap())
                .unwrap();
        }
    }
}
