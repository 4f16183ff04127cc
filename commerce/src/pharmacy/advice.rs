//! The advice a pharmacist must give before an order on prescription is confirmed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pharmacy;
use super::limit::DESK_BATCH;
use super::store::{self, Access};
use crate::clock::Timestamp;
use crate::id::OrderId;
use crate::language::{Language, Localized};
use crate::shop::{self, Note, Order, OrderState, Rejection, Step, Whose};
use crate::store::{Once, StoreError, Tx, args};

/// Whose name stands under the advice of the demonstration.
const SYNTHETIC_DESK: &str = "demo-desk";

/// What a pharmacist said about an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AdviceView {
    /// The advice.
    pub text: String,
    /// When it was given.
    pub at: Timestamp,
    /// Whether it is made up for demonstration: no pharmacist has said it.
    pub synthetic: bool,
}

impl Pharmacy {
    /// Gives advice on an order: it may be confirmed then.
    pub(super) async fn advise(
        &self,
        once: Option<&Once>,
        id: OrderId,
        text: Localized,
        who: String,
        synthetic: bool,
    ) -> Result<Order, Rejection> {
        let desk = self.shop.desk().clone();
        self.shop
            .db()
            .write::<Order, Rejection, _>(once, move |tx| {
                Box::pin(async move {
                    let order = shop::step(tx, &desk, &id, &Whose::All, Step::Advise, Note::default()).await?;
                    let body = serde_json::to_string(&text).map_err(StoreError::from)?;
                    let insert = "INSERT INTO advice (purchase, body, who, at, synthetic) VALUES ($1, $2, $3, $4, $5)";
                    tx.run(insert, args![&id, body, &who, tx.now(), synthetic]).await?;
                    note_lines(tx, &order, who, "advise").await?;
                    Ok(order)
                })
            })
            .await
    }

    /// The advice on an order that the caller may see.
    pub(super) async fn advice(
        &self,
        id: &OrderId,
        whose: &Whose,
        language: Language,
    ) -> Result<AdviceView, Rejection> {
        self.shop.order(id, whose).await?.ok_or(Rejection::NotFound("order"))?;
        let select = "SELECT body, at, synthetic FROM advice WHERE purchase = $1";
        let row = self.shop.db().row(select, args![id]).await?.ok_or(Rejection::NotFound("advice"))?;
        let text: Localized = row.json(0)?;
        Ok(AdviceView { text: text.get(language).to_owned(), at: row.time(1)?, synthetic: row.flag(2)? })
    }

    /// Orders that wait for advice, the oldest first. That the pharmacist saw their prescriptions is noted with it.
    pub(super) async fn waiting(&self, who: String) -> Result<Vec<Order>, StoreError> {
        let desk = self.shop.desk().clone();
        self.shop
            .db()
            .write::<Vec<Order>, StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let select = "SELECT id FROM purchase WHERE state = 'advice' ORDER BY created_at LIMIT $1";
                    let rows = tx.rows(select, args![DESK_BATCH]).await?;
                    let ids = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
                    let mut orders = shop::orders_in(tx, &desk, &ids).await?;
                    orders.sort_by(|left, right| (left.created_at, &left.id).cmp(&(right.created_at, &right.id)));
                    for order in &orders {
                        note_lines(tx, order, who.clone(), "desk").await?;
                    }
                    Ok(orders)
                })
            })
            .await
    }

    /// The synthetic desk of the demonstration: advises on what has waited long enough. Returns how many orders.
    pub(super) async fn advise_due(&self) -> Result<usize, StoreError> {
        let Some(after) = self.auto_advice else { return Ok(0) };
        let select = "SELECT id FROM purchase WHERE state = 'advice' AND created_at <= $1 ORDER BY created_at LIMIT $2";
        let due = self.shop.db().rows(select, args![self.shop.now().before(after), DESK_BATCH]).await?;
        for row in &due {
            let id = row.parse(0, OrderId::parse)?;
            let Some(order) = self.shop.order(&id, &Whose::All).await? else { continue };
            let text = leaflet(&order);
            match self.advise(None, id, text, SYNTHETIC_DESK.to_owned(), true).await {
                Ok(_) => {}
                Err(Rejection::Store(error)) => return Err(error),
                // Called off or expired meanwhile.
                Err(rejection) => tracing::debug!(%rejection, state = OrderState::Advice.as_str(), "no advice given"),
            }
        }
        Ok(due.len())
    }
}

/// Notes that somebody saw or used the prescriptions of an order.
async fn note_lines(tx: &mut Tx, order: &Order, who: String, what: &'static str) -> Result<(), StoreError> {
    let prescriptions: Vec<&str> = order.lines.iter().filter_map(|line| line.prescription.as_deref()).collect();
    let access = Access { who, actor: None, what, why: format!("order {}", order.id) };
    store::note(tx, &prescriptions, &access).await
}

/// What a leaflet would say, and that nobody has said it.
fn leaflet(order: &Order) -> Localized {
    let names: Vec<&str> =
        order.lines.iter().filter(|line| line.prescription.is_some()).map(|line| line.name.as_str()).collect();
    let names = names.join("; ");
    let text = |language| match language {
        Language::En => format!(
            "Demonstration, not medical advice. {names}: take it as your prescription says. Read the leaflet in the package \
             before you begin, and ask a pharmacist about other medicines you take."
        ),
        Language::Fi => format!(
            "Esittely, ei lääketieteellinen neuvo. {names}: käytä reseptin ohjeen mukaan. Lue pakkausseloste ennen aloittamista \
             ja kysy apteekista muista käyttämistäsi lääkkeistä."
        ),
        Language::Sv => format!(
            "Demonstration, inte medicinsk rådgivning. {names}: ta enligt receptet. Läs bipacksedeln innan du börjar och fråga \
             på apoteket om andra läkemedel du tar."
        ),
        Language::Ru => format!(
            "Демонстрация, не медицинский совет. {names}: принимайте, как указано в рецепте. Прочтите листок-вкладыш до начала \
             приёма и спросите фармацевта о других ваших лекарствах."
        ),
    };
    Localized(Language::ALL.into_iter().map(|language| (language, text(language))).collect())
}
