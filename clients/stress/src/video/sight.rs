//! What a viewer notices of a track's good frames: times and counts.

use std::time::Duration;

use super::frame::Stamp;
use super::ledger::Findings;
use super::series::{
    BYTES, CUT_GROUPS, DISORDER, DUPLICATES, FRAMES, GAPS, JITTER, LATENCY, SKIPPED_GROUPS, STALL, STALLS, START,
    TUNE_IN, UNDELIVERED, VIEWERS,
};
use crate::clock::Moment;
use crate::measure::{Meter, Present};

/// One viewer's view of one track.
#[derive(Debug)]
pub(crate) struct Sight {
    meter: Meter,
    stall: Duration,
    came: Option<Moment>,
    asked: Moment,
    /// The first frame need not be a group's first.
    any_first: bool,
    last: Option<Arrival>,
    present: Option<Present>,
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    at: Moment,
    due: Moment,
    sequence: u64,
}

impl Sight {
    pub(crate) fn new(meter: Meter, stall: Duration, came: Option<Moment>) -> Self {
        Self { meter, stall, came, asked: Moment::now(), any_first: false, last: None, present: None }
    }

    /// SUBSCRIBE is sent now.
    pub(crate) fn asked(&mut self) {
        self.asked = Moment::now();
    }

    /// The relay gives no beginnings of groups.
    pub(crate) fn without_head(&mut self) {
        self.any_first = true;
    }

    /// A new good frame. `live`: it did not come by FETCH. `first`: one may begin with it.
    pub(crate) fn frame(&mut self, stamp: &Stamp, bytes: usize, live: bool, first: bool) {
        let now = Moment::now();
        let begins = self.present.is_none() && (first || self.any_first);
        let (asked, came, stall, last) = (self.asked, self.came.take_if(|_| begins), self.stall, self.last);
        self.meter.with(|sample| {
            sample.count(&FRAMES, 1);
            sample.count(&BYTES, bytes as u64);
            if begins {
                sample.time(&TUNE_IN, now.since(asked));
            }
            if let Some(came) = came {
                sample.time(&START, now.since(came));
            }
            if !live {
                return;
            }
            // What was published before the SUBSCRIBE was not late: nobody had asked.
            if stamp.due >= asked {
                sample.time(&LATENCY, now.since(stamp.due));
            }
            let Some(last) = last else { return };
            let pause = now.since(last.at);
            if last.sequence + 1 == stamp.sequence {
                sample.time(&JITTER, pause.abs_diff(stamp.due.since(last.due)));
            }
            if pause > stall {
                sample.count(&STALLS, 1);
                sample.time(&STALL, pause);
            }
        });
        if begins {
            self.present = Some(self.meter.present(&VIEWERS));
        }
        // Pauses are between live frames: the head of a group comes in one go.
        if live && self.last.is_none_or(|last| last.sequence < stamp.sequence) {
            self.last = Some(Arrival { at: now, due: stamp.due, sequence: stamp.sequence });
        }
    }

    /// What the books found.
    pub(crate) fn found(&mut self, found: &Findings) {
        let Findings { gaps, duplicates, late, skipped_groups, cut_groups } = *found;
        if *found == Findings::default() {
            return;
        }
        self.meter.with(|sample| {
            sample.count(&GAPS, gaps);
            sample.count(&DUPLICATES, duplicates);
            sample.count(&DISORDER, late);
            sample.count(&SKIPPED_GROUPS, skipped_groups);
            sample.count(&CUT_GROUPS, cut_groups);
        });
    }

    /// The viewer leaves. `undelivered` frames did not come; `stayed`: it watched to the end, where a pause may still last.
    pub(crate) fn leave(self, undelivered: u64, stayed: bool) {
        let pause = self.last.map(|last| last.at.elapsed());
        self.meter.with(|sample| {
            sample.count(&UNDELIVERED, undelivered);
            if let Some(pause) = pause.filter(|pause| stayed && undelivered > 0 && *pause > self.stall) {
                sample.count(&STALLS, 1);
                sample.time(&STALL, pause);
            }
        });
    }
}
