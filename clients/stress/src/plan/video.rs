//! The video half of a plan: what is published, and who watches.

use std::time::Duration;

use serde::Deserialize;

use super::error::PlanError;
use super::quantity::{Rate, Size, Span};
use crate::limit;
use crate::video::HEADER_BYTES;

/// What is published, and who watches.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VideoPlan {
    /// Broadcasts, each from a publisher with a session of its own.
    pub(crate) broadcasts: u32,
    /// Tracks of each broadcast.
    pub(crate) tracks: u32,
    /// Frames of a track per second.
    pub(crate) fps: f64,
    /// Length of a group.
    pub(crate) group: Span,
    /// Bits per second of a track. Not with `frame_bytes`.
    pub(crate) bitrate: Option<Rate>,
    /// Bytes of every frame. Not with `bitrate`.
    pub(crate) frame_bytes: Option<Size>,
    /// How many times larger than the others a group's first frame is, with `bitrate`.
    pub(crate) keyframe_ratio: f64,
    /// How far sizes of the other frames vary, as a share of their mean, with `bitrate`.
    pub(crate) variation: f64,
    /// A pause between two frames longer than this is a stall.
    pub(crate) stall: Span,
    /// Who watches.
    pub(crate) viewers: Vec<Population>,
}

/// Viewers that behave alike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Population {
    /// Name of its measures in reports and conditions.
    pub(crate) name: String,
    /// How many they are.
    pub(crate) count: u32,
    /// What they do.
    #[serde(default)]
    pub(crate) does: Behaviour,
    /// When the first one comes.
    #[serde(default)]
    pub(crate) at: Span,
    /// The time over which they come, evenly.
    #[serde(default)]
    pub(crate) within: Span,
    /// Shortest and longest stay; without it they stay to the end.
    pub(crate) stay: Option<[Span; 2]>,
    /// Shortest and longest time after which one that left comes again; without it nobody does.
    pub(crate) back_after: Option<[Span; 2]>,
    /// Tracks that each takes.
    #[serde(default = "one")]
    pub(crate) tracks: u32,
    /// Which ones.
    #[serde(default)]
    pub(crate) choose: Choice,
    /// Where they begin to watch.
    #[serde(default)]
    pub(crate) join: Join,
    /// Bits per second that each reads at most of each track: a slow one.
    pub(crate) read_rate: Option<Rate>,
    /// Time between two FETCHes.
    #[serde(default = "second")]
    pub(crate) every: Span,
    /// How many groups before the newest one a FETCH may go back.
    #[serde(default = "one")]
    pub(crate) groups_back: u32,
}

fn one() -> u32 {
    1
}

fn second() -> Span {
    Span(Duration::from_secs(1))
}

/// What viewers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Behaviour {
    /// Subscribe and read.
    #[default]
    Watch,
    /// FETCH a past group now and then.
    Fetch,
    /// Hold a session and ask for nothing.
    Idle,
}

/// Which tracks viewers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Choice {
    /// In turn, so that every track has as many viewers.
    #[default]
    Evenly,
    /// By chance.
    Randomly,
}

/// Where a viewer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Join {
    /// At the start of the current group: SUBSCRIBE and a joining FETCH.
    #[default]
    Head,
    /// With the next object: SUBSCRIBE alone.
    Live,
}

impl Default for VideoPlan {
    fn default() -> Self {
        Self {
            broadcasts: 1,
            tracks: 1,
            fps: 30.0,
            group: second(),
            bitrate: None,
            frame_bytes: None,
            keyframe_ratio: 8.0,
            variation: 0.2,
            stall: Span(Duration::from_millis(250)),
            viewers: Vec::new(),
        }
    }
}

impl VideoPlan {
    /// All viewers.
    pub(crate) fn count(&self) -> u32 {
        self.viewers.iter().fold(0, |sum, population| sum.saturating_add(population.count))
    }

    /// All tracks.
    pub(crate) fn total_tracks(&self) -> u32 {
        self.broadcasts.saturating_mul(self.tracks)
    }

    /// Frames of a group; at least one.
    pub(crate) fn group_frames(&self) -> u32 {
        ((self.group.0.as_secs_f64() * self.fps).round() as u32).max(1)
    }

    /// Makes it this many viewers in the same proportions.
    pub(crate) fn scale(&mut self, viewers: u32) {
        let (mut left, mut weight) = (viewers, self.count());
        for population in &mut self.viewers {
            let share = if weight == 0 { 0.0 } else { f64::from(population.count) / f64::from(weight) };
            weight = weight.saturating_sub(population.count);
            population.count = ((f64::from(left) * share).round() as u32).min(left);
            left -= population.count;
        }
    }

    /// Moves the times at which viewers come, for a run that is so many times longer.
    pub(super) fn stretch(&mut self, factor: f64) {
        for population in &mut self.viewers {
            for Span(time) in [&mut population.at, &mut population.within] {
                *time = Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX);
            }
        }
    }

    pub(super) fn check(&self, duration: Duration) -> Result<(), PlanError> {
        let wrong = |key: &str, reason: String| Err(PlanError::Value { key: format!("video.{key}"), reason });
        if self.total_tracks() == 0 || self.total_tracks() > limit::MAX_TRACKS {
            return wrong("tracks", format!("with `broadcasts` must come to 1 to {}", limit::MAX_TRACKS));
        }
        if !(0.1..=1000.0).contains(&self.fps) {
            return wrong("fps", "must be 0.1 to 1000".to_owned());
        }
        if self.group_frames() > limit::MAX_GROUP_FRAMES {
            return wrong("group", format!("has over {} frames", limit::MAX_GROUP_FRAMES));
        }
        if !(1.0..=1000.0).contains(&self.keyframe_ratio) || !(0.0..1.0).contains(&self.variation) {
            return wrong("keyframe_ratio", "must be 1 to 1000, and `variation` 0 to less than 1".to_owned());
        }
        let largest = match (self.bitrate, self.frame_bytes) {
            (Some(_), Some(_)) => return wrong("bitrate", "and `frame_bytes` exclude each other".to_owned()),
            (None, None) => return wrong("bitrate", "or `frame_bytes` must be given".to_owned()),
            (None, Some(Size(bytes))) => bytes,
            (Some(Rate(rate)), None) => (rate / 8.0 / self.fps * self.keyframe_ratio) as u64,
        };
        if self.frame_bytes.is_some_and(|Size(bytes)| bytes < HEADER_BYTES as u64) || largest > limit::MAX_FRAME_BYTES {
            return wrong(
                "frame_bytes",
                format!("must be {HEADER_BYTES} to {}, keyframes too", limit::MAX_FRAME_BYTES),
            );
        }
        if self.viewers.is_empty() {
            return wrong("viewers", "names nobody".to_owned());
        }
        for (index, population) in self.viewers.iter().enumerate() {
            population.check(self, duration)?;
            if self.viewers[..index].iter().any(|other| other.name == population.name) {
                return wrong("viewers", format!("has two populations named {:?}", population.name));
            }
        }
        Ok(())
    }
}

impl Population {
    fn check(&self, video: &VideoPlan, duration: Duration) -> Result<(), PlanError> {
        let wrong = |key: &str, reason: String| {
            Err(PlanError::Value {
                key: format!("video.viewers.{key}"),
                reason: format!("of {:?} {reason}", self.name),
            })
        };
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(is_word) || crate::report::OWN_SCOPES.contains(&&*self.name) {
            return wrong(
                "name",
                "must be letters, digits and underscores, and not `all`, `tool` or `publishers`".to_owned(),
            );
        }
        if self.at.0 >= duration || self.at.0.saturating_add(self.within.0) > duration {
            return wrong("at", format!("and `within` reach beyond the run's {duration:?}"));
        }
        if self.tracks == 0 || self.tracks > video.total_tracks() {
            return wrong("tracks", format!("must be 1 to {}, all that there are", video.total_tracks()));
        }
        for (key, range) in [("stay", self.stay), ("back_after", self.back_after)] {
            if range.is_some_and(|[least, most]| least > most) {
                return wrong(key, "has its longest before its shortest".to_owned());
            }
        }
        if self.back_after.is_some() && self.stay.is_none() {
            return wrong("back_after", "needs `stay`: nobody leaves".to_owned());
        }
        if self.read_rate.is_some_and(|Rate(rate)| rate < 1000.0) {
            return wrong("read_rate", "is under 1kbit/s".to_owned());
        }
        if self.every.0 < Duration::from_millis(1) || self.groups_back == 0 {
            return wrong("every", "must be at least 1ms, and `groups_back` at least 1".to_owned());
        }
        Ok(())
    }
}
