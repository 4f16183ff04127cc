//! Names of what is measured, with unit and meaning.

/// One thing that is counted or timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Series {
    /// As in reports and conditions.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) meaning: &'static str,
    pub(crate) kind: Kind,
}

/// What a series holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A distribution of times.
    Times,
    /// A sum that only grows.
    Count(Unit),
    /// What there is now.
    Level,
}

/// Unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Seconds,
    Bytes,
    BitsPerSecond,
    Number,
}

/// One number that is worked out from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figure {
    /// As in reports and conditions.
    pub(crate) name: &'static str,
    /// How it is worked out, in a few words.
    pub(crate) meaning: &'static str,
    pub(crate) unit: Unit,
}

impl Series {
    pub(crate) const fn times(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, kind: Kind::Times }
    }

    pub(crate) const fn count(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, kind: Kind::Count(Unit::Number) }
    }

    pub(crate) const fn bytes(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, kind: Kind::Count(Unit::Bytes) }
    }

    pub(crate) const fn level(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, kind: Kind::Level }
    }
}

impl Figure {
    pub(crate) const fn new(name: &'static str, unit: Unit, meaning: &'static str) -> Self {
        Self { name, meaning, unit }
    }
}

impl Unit {
    /// The value for people: `12.3 ms`, `4.5 MB`.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Milliseconds => format!("{} ms", digits(value)),
            Self::Seconds => format!("{} s", digits(value)),
            Self::Bytes => scaled(value, ["B", "KB", "MB", "GB", "TB"]),
            Self::BitsPerSecond => scaled(value, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]),
            Self::Number => digits(value),
        }
    }
}

fn scaled(value: f64, units: [&str; 5]) -> String {
    let mut rest = value;
    let mut at = 0;
    while rest.abs() >= 1000.0 && at + 1 < units.len() {
        rest /= 1000.0;
        at += 1;
    }
    format!("{} {}", digits(rest), units[at])
}

/// Three significant digits, whole numbers as they are.
fn digits(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 || size >= 1000.0 {
        format!("{value:.0}")
    } else if size >= 100.0 {
        format!("{value:.1}")
    } else if size >= 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(Unit::Milliseconds.show(1.2345), "1.234 ms");
        assert_eq!(Unit::Bytes.show(75_400_000.0), "75.40 MB");
        assert_eq!(Unit::BitsPerSecond.show(999.0), "999 bit/s");
        assert_eq!(Unit::Number.show(123_456.0), "123456");
    }
}
