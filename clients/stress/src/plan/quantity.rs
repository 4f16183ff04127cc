//! Quantities as people write them: `250ms`, `3Mbit/s`, `4KB`.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Rate(pub(crate) f64);

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Span(pub(crate) Duration);

/// A number with a unit.
pub(crate) trait Quantity: Sized {
    /// What is expected, with an example.
    const EXPECTED: &'static str;

    /// Reads it.
    fn parse(text: &str) -> Option<Self>;
}

impl Quantity for Span {
    const EXPECTED: &'static str = "a time such as \"250ms\", \"10s\", \"2m\" or \"1h\"";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let seconds = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(number * seconds).ok().map(Self)
    }
}

impl Quantity for Rate {
    const EXPECTED: &'static str = "a rate such as \"500kbit/s\" or \"3Mbit/s\"";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let scale = match unit.strip_suffix("bit/s").or_else(|| unit.strip_suffix("bps"))? {
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            _ => return None,
        };
        Some(Self(number * scale))
    }
}

impl Quantity for Size {
    const EXPECTED: &'static str = "a size such as \"900B\", \"4KB\", \"16KiB\" or \"2MB\"";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let scale = match unit {
            "B" => 1.0,
            "KB" | "kB" => 1e3,
            "KiB" => 1024.0,
            "MB" => 1e6,
            "MiB" => 1_048_576.0,
            "GB" => 1e9,
            "GiB" => 1_073_741_824.0,
            _ => return None,
        };
        Some(Self((number * scale).round() as u64))
    }
}

/// A number that is not negative, and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some((number, unit.trim_start()))
}

struct Text<T>(PhantomData<T>);

impl<T: Quantity> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).ok_or_else(|| E::custom(format_args!("{text:?} is not {}", T::EXPECTED)))
    }
}

macro_rules! from_text {
    ($($type:ty)*) => { $(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::parse(text).ok_or_else(|| format!("expected {}", Self::EXPECTED))
            }
        }
    )* };
}

from_text!(Span Rate Size);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_scale() {
        assert_eq!(Span::parse("1.5s"), Some(Span(Duration::from_millis(1500))));
        assert_eq!(Span::parse("2 m"), Some(Span(Duration::from_secs(120))));
        assert_eq!(Rate::parse("3Mbit/s"), Some(Rate(3e6)));
        assert_eq!(Rate::parse("64kbps"), Some(Rate(64e3)));
        assert_eq!(Size::parse("4KiB"), Some(Size(4096)));
        for wrong in ["", "s", "-1s", "1", "1 day", "1e3s", "..s", "NaNs"] {
            assert_eq!(Span::parse(wrong), None, "{wrong}");
        }
        assert_eq!((Rate::parse("3Mb"), Size::parse("3"), Size::parse("1kb")), (None, None, None));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = (Span::parse(&text), Rate::parse(&text), Size::parse(&text));
        }

        #[test]
        fn milliseconds_are_read_back(millis in 0..1_000_000_000u64) {
            prop_assert_eq!(Span::parse(&format!("{millis}ms")), Some(Span(Duration::from_millis(millis))));
        }
    }
}
