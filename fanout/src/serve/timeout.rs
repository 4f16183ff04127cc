//! How late objects and subgroups may be: what publisher and subscriber ask for (draft-18 section 8).

use std::time::Duration;

use moqt::{Parameters, Properties};

/// What one side asks for; `None` = nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lateness {
    /// Objects received longer ago are not sent any more: their stream is reset with DELIVERY_TIMEOUT.
    pub object: Option<Duration>,
    /// A subgroup whose end has been here for longer is reset with DELIVERY_TIMEOUT unless all of it was acknowledged.
    pub subgroup: Option<Duration>,
}

/// What both sides ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryTimeouts {
    /// In requests of the subscriber.
    pub subscriber: Lateness,
    /// In the track's properties.
    pub publisher: Lateness,
}

impl DeliveryTimeouts {
    /// Of a request for a track with these properties.
    #[must_use]
    pub fn new(wanted: &Parameters, properties: &Properties) -> Self {
        let publisher =
            Lateness { object: properties.object_delivery_timeout(), subgroup: properties.subgroup_delivery_timeout() };
        let mut timeouts = Self { subscriber: Lateness::default(), publisher };
        timeouts.update(wanted);
        timeouts
    }

    /// REQUEST_UPDATE: what is absent stays as it is, 0 asks for nothing.
    pub(super) fn update(&mut self, wanted: &Parameters) {
        let newer = |new: Option<Duration>, old| new.map_or(old, |new| Some(new).filter(|new| !new.is_zero()));
        let Lateness { object, subgroup } = self.subscriber;
        self.subscriber = Lateness {
            object: newer(wanted.object_delivery_timeout, object),
            subgroup: newer(wanted.subgroup_delivery_timeout, subgroup),
        };
    }

    /// The smaller of what both ask for.
    pub(super) fn stricter(&self) -> Lateness {
        let smaller = |one: Option<Duration>, other: Option<Duration>| one.into_iter().chain(other).min();
        let Self { subscriber, publisher } = self;
        Lateness {
            object: smaller(subscriber.object, publisher.object),
            subgroup: smaller(subscriber.subgroup, publisher.subgroup),
        }
    }
}

#[cfg(test)]
mod tests {
    use moqt::{Pair, property};

    use super::*;

    #[test]
    fn the_smaller_of_both_counts_and_zero_asks_for_nothing() {
        let ms = Duration::from_millis;
        let own = [(property::OBJECT_DELIVERY_TIMEOUT, 100_u64), (property::SUBGROUP_DELIVERY_TIMEOUT, 0)];
        let own = Properties::from_pairs(own.map(|(id, value)| Pair::new(id, value))).unwrap();
        let asked = |object, subgroup| Parameters {
            object_delivery_timeout: object,
            subgroup_delivery_timeout: subgroup,
            ..Parameters::default()
        };
        let mut timeouts = DeliveryTimeouts::new(&asked(Some(ms(200)), Some(ms(300))), &own);
        assert_eq!(timeouts.stricter(), Lateness { object: Some(ms(100)), subgroup: Some(ms(300)) });
        timeouts.update(&asked(Some(ms(50)), None));
        assert_eq!(timeouts.stricter(), Lateness { object: Some(ms(50)), subgroup: Some(ms(300)) });
        timeouts.update(&asked(Some(Duration::ZERO), Some(Duration::ZERO)));
        assert_eq!(timeouts.stricter(), Lateness { object: Some(ms(100)), subgroup: None });
    }
}
