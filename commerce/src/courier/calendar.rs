//! Days and hours in Helsinki: two hours ahead of UTC, three in summer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Month, OffsetDateTime, Weekday};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::IdError;

const HOUR: i64 = 3_600_000;

/// A day in Helsinki: `2026-11-23`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = Date, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", example = "2026-11-23")]
pub(crate) struct Date(time::Date);

impl Date {
    /// The day at a moment.
    pub(crate) fn at(moment: Timestamp) -> Self {
        Self(local(moment).map_or(time::Date::MIN, OffsetDateTime::date))
    }

    /// Reads a day that came from outside.
    ///
    /// # Errors
    /// Another form, or no such day.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        let error = IdError("date");
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let mut parts = text.splitn(3, '-').map(str::parse::<u16>);
        let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day)), true) = (parts.next(), parts.next(), parts.next(), plain)
        else {
            return Err(error);
        };
        let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok()).ok_or(error)?;
        let day = u8::try_from(day).map_err(|_| error)?;
        time::Date::from_calendar_date(year.into(), month, day).map(Self).map_err(|_| error)
    }

    /// A full hour of the day. 24 is the end of it.
    pub(crate) fn hour(self, hour: u8) -> Timestamp {
        let midnight = (self.0.midnight().assume_utc().unix_timestamp_nanos() / 1_000_000).try_into().unwrap_or(0_i64);
        let wall = Timestamp(midnight + i64::from(hour) * HOUR);
        // Summer begins and ends at night; no van leaves in those hours.
        Timestamp(wall.0 - offset(Timestamp(wall.0 - 2 * HOUR)) * HOUR)
    }
}

/// Hours and minutes in Helsinki.
pub(crate) fn clock_time(moment: Timestamp) -> String {
    local(moment).map_or_else(String::new, |time| format!("{:02}:{:02}", time.hour(), time.minute()))
}

/// The moment with Helsinki's date and hour, as if they were UTC's.
fn local(moment: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp((moment.0 + offset(moment) * HOUR).div_euclid(1000)).ok()
}

/// Hours ahead of UTC: summer is from the last Sunday of March to that of October, at 01:00 UTC.
fn offset(moment: Timestamp) -> i64 {
    let Ok(utc) = OffsetDateTime::from_unix_timestamp(moment.0.div_euclid(1000)) else { return 2 };
    let turn = |month| last_sunday(utc.year(), month).map(|date| date.midnight().assume_utc() + time::Duration::HOUR);
    let summer =
        turn(Month::March).is_some_and(|begin| utc >= begin) && turn(Month::October).is_some_and(|end| utc < end);
    if summer { 3 } else { 2 }
}

fn last_sunday(year: i32, month: Month) -> Option<time::Date> {
    let days = (25..=31).rev().filter_map(|day| time::Date::from_calendar_date(year, month, day).ok());
    days.into_iter().find(|date| date.weekday() == Weekday::Sunday)
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Date, clock_time};
    use crate::clock::Timestamp;

    #[test]
    fn winter_and_summer() {
        let winter = Date::parse("2026-11-23").unwrap();
        assert_eq!(winter.hour(8).to_string(), "2026-11-23T06:00:00Z");
        assert_eq!(Date::parse("2026-07-01").unwrap().hour(8).to_string(), "2026-07-01T05:00:00Z");
        // The day on which summer begins.
        assert_eq!(Date::parse("2026-03-29").unwrap().hour(8).to_string(), "2026-03-29T05:00:00Z");
        assert_eq!(clock_time(winter.hour(20)), "20:00");
        assert_eq!(Date::at(winter.hour(0)), winter);
        assert_eq!(Date::at(Timestamp(winter.hour(0).0 - 1)).to_string(), "2026-11-22");
    }

    #[test]
    fn no_such_days() {
        for bad in ["", "2026-02-30", "2026-1-1", "20261123xx", "+026-11-23", "2026-11-23T00"] {
            assert!(Date::parse(bad).is_err(), "{bad}");
        }
    }
}
