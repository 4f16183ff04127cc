//! Money moves once per name and never comes back more than once.

use proptest::prelude::*;

use super::{DemoProvider, PaymentError, Provider, book, of_order};
use crate::fault::Faults;
use crate::money::Money;
use crate::reseller::schema::MIGRATIONS;
use crate::store::{StoreError, test_database};

#[tokio::test]
async fn names_have_one_outcome() {
    let place = test_database(&[MIGRATIONS]).await;
    let provider = DemoProvider::new(place.database.clone(), Faults::default());
    let amount = Money::eur(100);
    assert!(matches!(provider.charge("a", amount, "stolen").await, Err(PaymentError::Refused(_))));
    // Refused stays refused, whatever the card.
    assert!(provider.charge("a", amount, "demo-card").await.is_err());
    assert_eq!(provider.void("b").await, Ok(None));
    assert!(provider.charge("b", amount, "demo-card").await.is_err());
    assert_eq!(provider.charge("c", amount, "demo-card").await, Ok(()));
    assert_eq!(provider.charge("c", amount, "demo-card").await, Ok(()));
    assert_eq!(provider.void("c").await, Ok(Some(100)));
    assert_eq!(provider.refund("c1", "c", Money::eur(60)).await, Ok(()));
    assert_eq!(provider.refund("c1", "c", Money::eur(60)).await, Ok(()));
    assert!(provider.refund("c1", "c", Money::eur(40)).await.is_err());
    assert!(provider.refund("c2", "c", Money::eur(41)).await.is_err());
    assert_eq!(provider.refund("c2", "c", Money::eur(40)).await, Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_ledger_never_gives_back_more_than_was_taken(
        moves in proptest::collection::vec((0..6_u8, any::<bool>(), 0_i64..100), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let place = test_database(&[MIGRATIONS]).await;
            for (entry, charge, minor) in moves {
                let kind = if charge { "charge" } else { "refund" };
                let _ = place.database.write::<(), StoreError, _>(None, move |tx| {
                    Box::pin(async move { book(tx, "o", &entry.to_string(), kind, Money::eur(minor)).await })
                }).await;
                let signed = |entry: &super::LedgerEntry| match entry.kind.as_str() {
                    "charge" => entry.amount.minor,
                    _ => -entry.amount.minor,
                };
                let entries = of_order(&place.database, "o").await.unwrap();
                assert!(entries.iter().map(signed).sum::<i64>() >= 0);
                assert!(entries.len() <= 6, "a name was booked twice");
            }
        });
    }
}
