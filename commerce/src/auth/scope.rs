//! What a token allows, one word per kind of act, and the bundles that demo tokens get.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Scopes: variant, word, meaning.
macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What a caller may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Scope {
            $($(#[$doc])* $name,)*
        }

        impl Scope {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in tokens.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

scopes! {
    /// See and buy the grocery's restricted catalogue.
    CatalogRestricted = "catalog:restricted";
    /// Place and change one's own orders.
    OrderWrite = "order:write";
    /// Dispatch orders and restock shops; staff.
    OrderFulfil = "order:fulfil";
    /// Read the offers that shops make to partners.
    OffersRead = "offers:read";
    /// Read the feeds of events; services.
    EventsRead = "events:read";
    /// Read one's own prescriptions.
    RxRead = "rx:read";
    /// Order on one's own prescriptions.
    RxOrder = "rx:order";
    /// Prescribe.
    RxWrite = "rx:write";
    /// Advise and dispense.
    RxDispense = "rx:dispense";
    /// Read who read prescriptions.
    RxAudit = "rx:audit";
    /// Change catalogues and prices.
    CatalogWrite = "catalog:write";
    /// Read exports.
    ExportRead = "export:read";
    /// Read the warehouse's stock and ledger.
    StockRead = "stock:read";
    /// Receive, count and ship.
    StockWrite = "stock:write";
    /// Book and cancel parcels.
    ParcelWrite = "parcel:write";
    /// Plan delivery routes.
    RoutePlan = "route:plan";
    /// Break things on purpose.
    FaultWrite = "fault:write";
    /// Read payments.
    PayRead = "pay:read";
}

impl Scope {
    /// The scope of a word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Scopes(u32);

// One bit each.
const _: () = assert!(Scope::ALL.len() <= 32, "a set of scopes has 32 bits");

impl Scopes {
    /// Those of a claim `scope`: words with spaces between. Words of others are no concern of ours.
    pub(crate) fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().filter_map(Scope::parse).collect()
    }

    /// Whether one is among them.
    pub(crate) fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u32) != 0
    }

    fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u32))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Whom a demo or development token makes of its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Buys, also on prescription and from the restricted catalogue.
    Customer,
    /// Writes prescriptions.
    Prescriber,
    /// Advises and dispenses.
    Pharmacist,
    /// Runs shops, warehouse and couriers.
    Operator,
}

impl Role {
    /// What it may do.
    pub(crate) fn scopes(self) -> Scopes {
        match self {
            Self::Customer => {
                [Scope::OrderWrite, Scope::RxRead, Scope::RxOrder, Scope::CatalogRestricted, Scope::ExportRead]
                    .into_iter()
                    .collect()
            }
            Self::Prescriber => Scopes::from_iter([Scope::RxWrite]),
            Self::Pharmacist => [Scope::RxDispense, Scope::RxAudit, Scope::OrderFulfil].into_iter().collect(),
            Self::Operator => {
                // What belongs to a person or a profession is not staff's.
                let personal = [Scope::OrderWrite, Scope::RxRead, Scope::RxOrder, Scope::RxWrite, Scope::RxDispense];
                Scope::ALL.iter().copied().filter(|scope| !personal.contains(scope)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, Scope, Scopes};

    #[test]
    fn words_survive_and_strangers_are_left_out() {
        let all: Scopes = Scope::ALL.iter().copied().collect();
        assert_eq!(Scopes::parse(&all.to_string()), all);
        let some = Scopes::parse("rx:read  openid rx:reads order:write");
        assert_eq!(some.to_string(), "order:write rx:read");
    }

    #[test]
    fn roles_keep_to_their_own() {
        assert!(Role::Customer.scopes().contains(Scope::RxOrder));
        for scope in [Scope::RxWrite, Scope::FaultWrite, Scope::StockWrite, Scope::EventsRead] {
            assert!(!Role::Customer.scopes().contains(scope), "{scope}");
        }
        assert!(!Role::Operator.scopes().contains(Scope::RxDispense));
        assert!(Role::Operator.scopes().contains(Scope::FaultWrite));
    }
}
