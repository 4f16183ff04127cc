//! A provider for trying things out: takes the token `demo-card` and no real money. Its book is a table of its own, written
//! in transactions of its own, as if it were elsewhere.

use futures_util::future::BoxFuture;

use super::{PaymentError, Provider};
use crate::fault::Faults;
use crate::money::Money;
use crate::store::{Database, StoreError, Tx, args};

/// The token that is accepted.
const TOKEN: &str = "demo-card";

/// The provider.
#[derive(Debug, Clone)]
pub(crate) struct DemoProvider {
    db: Database,
    faults: Faults,
}

impl From<StoreError> for PaymentError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What became of a name: kind and minor units.
async fn outcome(tx: &mut Tx, name: &str) -> Result<Option<(String, i64)>, StoreError> {
    let row = tx.row("SELECT kind, minor FROM demo_payment WHERE name = $1", args![name]).await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).transpose()
}

async fn note(tx: &mut Tx, name: &str, charge: &str, kind: &str, minor: i64) -> Result<(), StoreError> {
    let now = tx.now();
    let put = "INSERT INTO demo_payment (name, charge, kind, minor, at) VALUES ($1, $2, $3, $4, $5)";
    tx.run(put, args![name, charge, kind, minor, now]).await.map(drop)
}

impl DemoProvider {
    /// A provider with its book in this database.
    pub(crate) fn new(db: Database, faults: Faults) -> Self {
        Self { db, faults }
    }
}

impl Provider for DemoProvider {
    fn charge<'a>(&'a self, name: &'a str, amount: Money, token: &'a str) -> BoxFuture<'a, Result<(), PaymentError>> {
        let accepted = token == TOKEN && amount.minor >= 0;
        let (faults, name) = (self.faults.clone(), name.to_owned());
        Box::pin(async move {
            let answer = self.db.write(None, move |tx| {
                Box::pin(async move {
                    let (kind, minor) = match outcome(tx, &name).await? {
                        Some(known) => known,
                        None => {
                            let accepted = accepted && !faults.hit("payment.refused");
                            let kind = if accepted { "charge" } else { "refused" };
                            let minor = if accepted { amount.minor } else { 0 };
                            note(tx, &name, &name, kind, minor).await?;
                            (kind.to_owned(), minor)
                        }
                    };
                    Ok::<_, PaymentError>(kind == "charge" && minor == amount.minor)
                })
            });
            match answer.await? {
                true => Ok(()),
                false => Err(PaymentError::Refused("the card was refused".to_owned())),
            }
        })
    }

    fn void<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<i64>, PaymentError>> {
        let name = name.to_owned();
        Box::pin(self.db.write(None, move |tx| {
            Box::pin(async move {
                match outcome(tx, &name).await? {
                    Some((kind, minor)) if kind == "charge" => Ok(Some(minor)),
                    Some(_) => Ok(None),
                    None => note(tx, &name, &name, "void", 0).await.map(|()| None).map_err(PaymentError::from),
                }
            })
        }))
    }

    fn refund<'a>(&'a self, name: &'a str, charge: &'a str, amount: Money) -> BoxFuture<'a, Result<(), PaymentError>> {
        let (name, charge) = (name.to_owned(), charge.to_owned());
        Box::pin(self.db.write(None, move |tx| {
            Box::pin(async move {
                let refuse = |why: &str| Err(PaymentError::Refused(why.to_owned()));
                match outcome(tx, &name).await? {
                    Some((kind, minor)) if kind == "refund" && minor == amount.minor => return Ok(()),
                    Some(_) => return refuse("the name stands for another movement"),
                    None => {}
                }
                let left = "
                    SELECT CAST(COALESCE(SUM(CASE kind WHEN 'charge' THEN minor WHEN 'refund' THEN -minor ELSE 0 END), 0) AS BIGINT)
                    FROM demo_payment WHERE charge = $1";
                let left = tx.row(left, args![charge.as_str()]).await?.map_or(Ok(0), |row| row.int(0))?;
                if !(0..=left).contains(&amount.minor) {
                    return refuse("more than was charged");
                }
                note(tx, &name, &charge, "refund", amount.minor).await.map_err(PaymentError::from)
            })
        }))
    }
}
