//! Where a postcode lies, in and around Helsinki.
//!
//! The centres are set down by hand and approximate (some hundred metres), good enough to plan a demonstration's routes and to
//! draw them; a real courier would ask a geocoder. Elsewhere there is no delivery by van.

use sha2::{Digest, Sha256};

use crate::address::Address;

/// A point on the map, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub(crate) struct Point {
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
}

/// Where the vans start: a made-up depot near the airport.
pub(crate) const DEPOT: Point = Point { lat: 60.2890, lon: 24.9600 };

/// What the depot is called on maps and in histories.
pub(crate) const DEPOT_NAME: &str = "Tuusulanväylä depot";

/// How far a door may lie from the middle of its area, in degrees north: about 450 m.
const SPREAD: f64 = 0.004;

/// How far from the depot a van goes, in metres.
const REACH: f64 = 45_000.0;

/// Metres in a degree north.
const DEGREE: f64 = 111_195.0;

/// Postcode, name, degrees north and east of the middle; in the order of postcodes.
pub(crate) const AREAS: &[(&str, &str, f64, f64)] = &[
    ("00100", "Etu-Töölö", 60.1718, 24.9300),
    ("00120", "Punavuori", 60.1630, 24.9390),
    ("00130", "Kaartinkaupunki", 60.1651, 24.9480),
    ("00140", "Kaivopuisto", 60.1585, 24.9500),
    ("00150", "Eira", 60.1570, 24.9330),
    ("00160", "Katajanokka", 60.1670, 24.9680),
    ("00170", "Kruununhaka", 60.1720, 24.9560),
    ("00180", "Kamppi", 60.1650, 24.9180),
    ("00200", "Lauttasaari", 60.1590, 24.8790),
    ("00210", "Vattuniemi", 60.1510, 24.8840),
    ("00220", "Jätkäsaari", 60.1560, 24.9150),
    ("00240", "Länsi-Pasila", 60.2000, 24.9240),
    ("00250", "Taka-Töölö", 60.1880, 24.9150),
    ("00260", "Keski-Töölö", 60.1810, 24.9190),
    ("00270", "Meilahti", 60.1930, 24.8990),
    ("00280", "Ruskeasuo", 60.2040, 24.9060),
    ("00300", "Pikku Huopalahti", 60.2020, 24.8900),
    ("00320", "Etelä-Haaga", 60.2130, 24.8900),
    ("00330", "Munkkiniemi", 60.1980, 24.8750),
    ("00340", "Lehtisaari", 60.1850, 24.8560),
    ("00350", "Munkkivuori", 60.2070, 24.8760),
    ("00370", "Reimarla", 60.2300, 24.8500),
    ("00380", "Pitäjänmäki", 60.2240, 24.8700),
    ("00390", "Konala", 60.2380, 24.8450),
    ("00400", "Pohjois-Haaga", 60.2290, 24.8960),
    ("00410", "Malminkartano", 60.2490, 24.8620),
    ("00420", "Kannelmäki", 60.2420, 24.8850),
    ("00440", "Lassila", 60.2320, 24.8800),
    ("00500", "Sörnäinen", 60.1870, 24.9690),
    ("00510", "Alppila", 60.1900, 24.9470),
    ("00520", "Itä-Pasila", 60.2000, 24.9370),
    ("00530", "Kallio", 60.1840, 24.9490),
    ("00540", "Kalasatama", 60.1870, 24.9800),
    ("00550", "Vallila", 60.1950, 24.9590),
    ("00560", "Toukola", 60.2100, 24.9730),
    ("00570", "Kulosaari", 60.1870, 25.0080),
    ("00600", "Koskela", 60.2190, 24.9680),
    ("00610", "Käpylä", 60.2140, 24.9500),
    ("00630", "Maunula", 60.2310, 24.9300),
    ("00640", "Oulunkylä", 60.2300, 24.9620),
    ("00660", "Länsi-Pakila", 60.2440, 24.9310),
    ("00700", "Malmi", 60.2510, 25.0100),
    ("00710", "Pihlajamäki", 60.2360, 25.0060),
    ("00720", "Pukinmäki", 60.2430, 24.9870),
    ("00730", "Tapanila", 60.2640, 25.0310),
    ("00740", "Siltamäki", 60.2790, 24.9900),
    ("00750", "Puistola", 60.2760, 25.0450),
    ("00790", "Viikki", 60.2260, 25.0180),
    ("00800", "Herttoniemi", 60.1970, 25.0330),
    ("00820", "Roihuvuori", 60.1970, 25.0520),
    ("00840", "Laajasalo", 60.1720, 25.0560),
    ("00920", "Myllypuro", 60.2250, 25.0670),
    ("00930", "Itäkeskus", 60.2110, 25.0820),
    ("00940", "Kontula", 60.2360, 25.0830),
    ("00950", "Vartioharju", 60.2170, 25.1050),
    ("00960", "Pohjois-Vuosaari", 60.2190, 25.1440),
    ("00970", "Mellunmäki", 60.2390, 25.1070),
    ("00980", "Etelä-Vuosaari", 60.2060, 25.1430),
    ("01200", "Hakunila", 60.2770, 25.1120),
    ("01300", "Tikkurila", 60.2930, 25.0400),
    ("01350", "Hiekkaharju", 60.3050, 25.0480),
    ("01360", "Koivukylä", 60.3240, 25.0600),
    ("01400", "Rekola", 60.3310, 25.0640),
    ("01450", "Korso", 60.3510, 25.0790),
    ("01510", "Aviapolis", 60.3020, 24.9660),
    ("01600", "Myyrmäki", 60.2610, 24.8540),
    ("01620", "Martinlaakso", 60.2780, 24.8480),
    ("02100", "Tapiola", 60.1760, 24.8050),
    ("02130", "Pohjois-Tapiola", 60.1880, 24.7990),
    ("02150", "Otaniemi", 60.1850, 24.8270),
    ("02160", "Westend", 60.1640, 24.8020),
    ("02170", "Haukilahti", 60.1600, 24.7790),
    ("02200", "Niittykumpu", 60.1700, 24.7650),
    ("02230", "Matinkylä", 60.1600, 24.7400),
    ("02320", "Espoonlahti", 60.1480, 24.6560),
    ("02600", "Leppävaara", 60.2190, 24.8110),
    ("02700", "Kauniainen", 60.2100, 24.7290),
    ("02770", "Espoon keskus", 60.2050, 24.6560),
];

impl Point {
    /// Metres to another point as the crow flies: the earth is taken as flat, which is right within 0.1 % at this size.
    #[must_use]
    pub(crate) fn metres(self, other: Self) -> f64 {
        let east = (other.lon - self.lon) * ((self.lat + other.lat) / 2.0).to_radians().cos();
        let north = other.lat - self.lat;
        east.hypot(north) * DEGREE
    }
}

/// Where an address lies and what its area is called, if a van can go there.
///
/// Without coordinates the door is somewhere around the middle of its postcode area: always at the same place for the same
/// street, and not on top of its neighbours.
pub(crate) fn locate(address: &Address) -> Option<(Point, &'static str)> {
    let known = AREAS.binary_search_by(|area| area.0.cmp(address.postcode.trim())).ok().map(|place| AREAS[place]);
    let point = match (address.lat, address.lon, known) {
        (Some(lat), Some(lon), _) => Point { lat, lon },
        (_, _, Some((_, _, lat, lon))) if address.country.eq_ignore_ascii_case("FI") => {
            around(lat, lon, &address.street)
        }
        _ => return None,
    };
    if point.metres(DEPOT).is_nan() || point.metres(DEPOT) > REACH {
        return None;
    }
    Some((point, known.map_or_else(|| nearest(point), |area| area.1)))
}

/// The area whose middle is nearest.
fn nearest(point: Point) -> &'static str {
    let distance = |area: &(&str, &str, f64, f64)| point.metres(Point { lat: area.2, lon: area.3 });
    AREAS.iter().min_by(|one, other| distance(one).total_cmp(&distance(other))).map_or("", |area| area.1)
}

/// A point near the middle that depends on the street alone.
fn around(lat: f64, lon: f64, street: &str) -> Point {
    let digest = Sha256::digest(street.trim().to_lowercase().as_bytes());
    let part = |place: usize| f64::from(u16::from_be_bytes([digest[place], digest[place + 1]])) / 65_535.0 * 2.0 - 1.0;
    Point { lat: lat + part(0) * SPREAD, lon: lon + part(2) * SPREAD * 2.0 }
}

#[cfg(test)]
mod tests {
    use super::{AREAS, DEPOT, Point, locate};
    use crate::address::Address;

    fn address(postcode: &str, street: &str) -> Address {
        Address {
            name: "demo-1".to_owned(),
            street: street.to_owned(),
            postcode: postcode.to_owned(),
            city: "Helsinki".to_owned(),
            country: "FI".to_owned(),
            lat: None,
            lon: None,
        }
    }

    #[test]
    fn the_table_is_ordered_and_near() {
        assert!(AREAS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (postcode, name, lat, lon) in AREAS {
            assert!(Point { lat: *lat, lon: *lon }.metres(DEPOT) < 30_000.0, "{postcode} {name}");
        }
    }

    #[test]
    fn a_street_stays_where_it_is() {
        let (kallio, name) = locate(&address("00530", "Demo street 1")).unwrap();
        assert_eq!((Some((kallio, name)), name), (locate(&address("00530", "demo street 1 ")), "Kallio"));
        assert_ne!(locate(&address("00530", "Demo street 2")).unwrap().0, kallio);
        assert!(kallio.metres(Point { lat: 60.1840, lon: 24.9490 }) < 700.0);
    }

    #[test]
    fn far_away_is_nowhere() {
        assert!(locate(&address("99999", "x")).is_none());
        let mut abroad = address("00530", "x");
        abroad.country = "SE".to_owned();
        assert!(locate(&abroad).is_none());
        (abroad.lat, abroad.lon) = (Some(59.3), Some(18.0));
        assert!(locate(&abroad).is_none());
        (abroad.lat, abroad.lon) = (Some(60.18), Some(24.95));
        assert_eq!(locate(&abroad).unwrap().1, "Kallio");
    }

    #[test]
    fn metres_are_metres() {
        let (kallio, tapiola) = (Point { lat: 60.184, lon: 24.949 }, Point { lat: 60.176, lon: 24.805 });
        assert!((kallio.metres(tapiola) - 8013.0).abs() < 60.0, "{}", kallio.metres(tapiola));
    }
}
