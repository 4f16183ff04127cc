//! What couriers ask of any carrier, and the carriers that are built in.

use futures_util::future::BoxFuture;

use super::model::{Entry, ParcelState};
use super::number::ParcelNumber;
use super::request::ParcelRequest;
use crate::actor::Actor;
use crate::auth::Scope;
use crate::carrier::{Booking, Consignment, Door, Doors, Milestone, Quotes, Report, Round};
use crate::clock::Timestamp;
use crate::money::Money;
use crate::peer::{Identity, Peer, PeerError, Peers};

/// What a carrier offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub carrier: String,
    pub price: Money,
    pub promised_at: Timestamp,
    pub cold_chain: bool,
    /// How many times faster than in the world the carrier's time goes.
    pub pace: u32,
}

/// A parcel that a carrier has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub price: Money,
    pub promised_at: Timestamp,
    pub pace: u32,
}

/// What a carrier says about one parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub number: ParcelNumber,
    pub entry: Entry,
    pub promised_at: Option<Timestamp>,
}

/// Why a carrier did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdapterError {
    /// It will not, however often it is asked.
    #[error("refused: {0}")]
    Refused(String),
    /// It may do it later.
    #[error("does not answer: {0}")]
    Unavailable(String),
    /// It says something that is not understood.
    #[error("cannot be understood: {0}")]
    Garbled(String),
}

impl From<PeerError> for AdapterError {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Refused(problem) => Self::Refused(problem.detail),
            PeerError::Unavailable(reason) => Self::Unavailable(reason),
            PeerError::Garbled(reason) => Self::Garbled(reason),
        }
    }
}

/// What couriers ask of a carrier. Every call may be repeated: the parcel's number tells repeats from new ones.
pub(crate) trait Adapter: Send + Sync {
    /// Whether a carrier of this name is reached here.
    fn serves(&self, carrier: &str) -> bool;
    /// What all carriers that are reached here would take for a parcel.
    fn quote<'a>(&'a self, asked: &'a ParcelRequest) -> BoxFuture<'a, Result<Vec<Offer>, AdapterError>>;
    /// Has a carrier take a parcel. Its reports are to be signed with the secret.
    fn book<'a>(
        &'a self,
        number: &'a ParcelNumber,
        carrier: &'a str,
        asked: &'a ParcelRequest,
        secret: &'a str,
    ) -> BoxFuture<'a, Result<Taken, AdapterError>>;
    /// Stops a parcel before it moves.
    fn cancel<'a>(&'a self, number: &'a ParcelNumber) -> BoxFuture<'a, Result<(), AdapterError>>;
    /// Asks for all that is known of a parcel.
    fn ask<'a>(&'a self, number: &'a ParcelNumber) -> BoxFuture<'a, Result<Vec<News>, AdapterError>>;
    /// Tells a van in which order to visit its doors, as far as the carrier listens. When it means to be at which of them.
    fn drive<'a>(&'a self, key: &'a str, order: Vec<String>) -> BoxFuture<'a, Result<Vec<Door>, AdapterError>>;
    /// Reads the body of a report.
    fn parse(&self, body: &[u8]) -> Result<News, AdapterError>;
}

/// The carriers of the simulator, in this process or elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Simulated {
    peer: Peer,
    identity: Identity,
}

impl Simulated {
    pub(crate) fn new(peers: &Peers) -> Self {
        let scopes = vec![Scope::ParcelWrite, Scope::RoutePlan];
        let identity = Identity { from: Actor::Courier, scopes, on_behalf_of: None };
        Self { peer: peers.get(Actor::Carrier), identity }
    }
}

impl Adapter for Simulated {
    fn serves(&self, carrier: &str) -> bool {
        crate::carrier::FLEETS.iter().any(|fleet| fleet.id == carrier)
    }

    fn quote<'a>(&'a self, asked: &'a ParcelRequest) -> BoxFuture<'a, Result<Vec<Offer>, AdapterError>> {
        Box::pin(async move {
            // Digits and letters alone go into the path.
            let to: String = asked.to.postcode.chars().filter(char::is_ascii_alphanumeric).collect();
            let ParcelRequest { weight_g, volume_ml, cold_chain, .. } = asked;
            let path = format!("/quotes?to={to}&weight_g={weight_g}&volume_ml={volume_ml}&cold_chain={cold_chain}");
            let Quotes { quotes } = self.peer.get(&path, &self.identity).await?;
            let offer = |quote: crate::carrier::Quote| Offer {
                carrier: quote.carrier,
                price: quote.price,
                promised_at: quote.promised_at,
                cold_chain: quote.cold_chain,
                pace: quote.pace,
            };
            Ok(quotes.into_iter().map(offer).collect())
        })
    }

    fn book<'a>(
        &'a self,
        number: &'a ParcelNumber,
        carrier: &'a str,
        asked: &'a ParcelRequest,
        secret: &'a str,
    ) -> BoxFuture<'a, Result<Taken, AdapterError>> {
        Box::pin(async move {
            let booking = Booking {
                reference: number.to_string(),
                carrier: carrier.to_owned(),
                from: asked.from.clone(),
                to: asked.to.clone(),
                weight_g: asked.weight_g,
                volume_ml: asked.volume_ml,
                cold_chain: asked.cold_chain,
                secret: secret.to_owned(),
            };
            let key = format!("book-{number}-{carrier}");
            let taken: Consignment = self.peer.post("/consignments", &key, &booking, &self.identity).await?;
            if taken.carrier != carrier {
                return Err(AdapterError::Garbled("another carrier has the parcel".to_owned()));
            }
            Ok(Taken { price: taken.price, promised_at: taken.promised_at, pace: taken.pace })
        })
    }

    fn cancel<'a>(&'a self, number: &'a ParcelNumber) -> BoxFuture<'a, Result<(), AdapterError>> {
        Box::pin(async move {
            let (path, key) = (format!("/consignments/{number}/cancel"), format!("cancel-{number}"));
            let _: serde_json::Value = self.peer.post(&path, &key, &serde_json::json!({}), &self.identity).await?;
            Ok(())
        })
    }

    fn ask<'a>(&'a self, number: &'a ParcelNumber) -> BoxFuture<'a, Result<Vec<News>, AdapterError>> {
        Box::pin(async move {
            let known: Consignment = self.peer.get(&format!("/consignments/{number}"), &self.identity).await?;
            known.reports.into_iter().map(news).collect()
        })
    }

    fn drive<'a>(&'a self, key: &'a str, order: Vec<String>) -> BoxFuture<'a, Result<Vec<Door>, AdapterError>> {
        Box::pin(async move {
            let round = Round { references: order };
            let doors: Doors = self.peer.post("/rounds", key, &round, &self.identity).await?;
            Ok(doors.doors)
        })
    }

    fn parse(&self, body: &[u8]) -> Result<News, AdapterError> {
        let report =
            serde_json::from_slice::<Report>(body).map_err(|error| AdapterError::Garbled(error.to_string()))?;
        news(report)
    }
}

/// The simulator's words in ours.
fn news(report: Report) -> Result<News, AdapterError> {
    let state = match report.milestone {
        Milestone::Collected => ParcelState::Accepted,
        Milestone::Sorted => ParcelState::InTransit,
        Milestone::Loaded => ParcelState::OutForDelivery,
        Milestone::HandedOver => ParcelState::Delivered,
        Milestone::Late => ParcelState::Delayed,
        Milestone::Missing => ParcelState::Lost,
        Milestone::SentBack => ParcelState::Returned,
    };
    let number = ParcelNumber::parse(&report.reference).map_err(|error| AdapterError::Garbled(error.to_string()))?;
    let short = |text: String| text.chars().take(super::limit::REPORT_TEXT).collect();
    let entry = Entry { at: report.at, state, place: short(report.place), detail: short(report.detail) };
    Ok(News { number, entry, promised_at: report.promised_at })
}
