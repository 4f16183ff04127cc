//! What the shops offer, kept here: read from their feeds, priced with a margin, and medicines as the pharmacy was last asked.

mod feed;
mod margin;
mod medicine;
mod model;
mod store;

pub(crate) use feed::follow;
pub(crate) use margin::Margins;
pub use margin::Rounding;
pub(crate) use medicine::{fresh, poll};
pub(crate) use model::{Medicine, Offer, OfferView, ShopTerms};
pub(crate) use store::{Search, medicines, of_lines, search, terms};
