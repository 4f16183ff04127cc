//! The operations of the warehouse: each is one transaction.

use super::Warehouse;
use super::audit::{self, Audit};
use super::counting;
use super::error::WarehouseError;
use super::label::{self, Label};
use super::model::{Count, Inspection, NewCount, NewReceipt, NewShipment, Pick, Receipt, Shipment, Walk};
use super::picking;
use super::receive;
use super::shipments::read;
use super::steps::{self, Placing};
use crate::address::Address;
use crate::store::{Once, args};

/// A label as a file.
#[derive(Debug)]
pub(super) enum LabelFile {
    Zpl(String),
    Pdf(Vec<u8>),
}

impl Warehouse {
    /// Takes goods in.
    pub(super) async fn receive(&self, once: &Once, who: &str, new: NewReceipt) -> Result<Receipt, WarehouseError> {
        let who = who.to_owned();
        let write =
            self.database.write(Some(once), move |tx| Box::pin(async move { receive::receive(tx, &who, &new).await }));
        let receipt = write.await;
        self.faults.step("warehouse.after_receipt");
        receipt
    }

    /// Takes an order for a parcel.
    pub(super) async fn place(&self, once: &Once, new: NewShipment) -> Result<Shipment, WarehouseError> {
        let shipment = self.database.submit::<Placing>(Some(once), new).await;
        self.faults.step("warehouse.after_shipment");
        shipment
    }

    /// A shipment as last committed.
    pub(super) async fn shipment(&self, id: &str) -> Result<Shipment, WarehouseError> {
        read(&self.database, id).await
    }

    /// What a picker has to fetch, in the order of the walk.
    pub(super) async fn picks(&self, id: &str) -> Result<Vec<Pick>, WarehouseError> {
        read(&self.database, id).await?;
        Ok(picking::walk(&self.database.rows(picking::PICKS, args![id]).await?)?)
    }

    /// Books a picker's walk.
    pub(super) async fn pick(
        &self,
        once: Option<&Once>,
        who: &str,
        id: &str,
        walk: Walk,
    ) -> Result<Shipment, WarehouseError> {
        let (who, id) = (who.to_owned(), id.to_owned());
        let write =
            self.database.write(once, move |tx| Box::pin(async move { picking::walked(tx, &who, &id, &walk).await }));
        let shipment = write.await;
        self.faults.step("warehouse.after_pick");
        shipment
    }

    /// Packs what was picked.
    pub(super) async fn pack(&self, once: Option<&Once>, id: &str) -> Result<Shipment, WarehouseError> {
        let id = id.to_owned();
        let write = self.database.write(once, move |tx| Box::pin(async move { steps::pack(tx, &id).await }));
        let shipment = write.await;
        self.faults.step("warehouse.after_pack");
        shipment
    }

    /// Gives a packed shipment to the courier. If the courier does not answer it stays packed, and the driver asks again.
    pub(super) async fn ship(&self, once: Option<&Once>, id: &str) -> Result<Shipment, WarehouseError> {
        let own = id.to_owned();
        let write = self.database.write(once, move |tx| Box::pin(async move { steps::hand_over(tx, &own).await }));
        write.await?;
        self.faults.step("warehouse.after_ship");
        self.book(id).await?;
        read(&self.database, id).await
    }

    /// Calls a shipment off.
    pub(super) async fn cancel(
        &self,
        once: &Once,
        who: &str,
        id: &str,
        reason: String,
    ) -> Result<Shipment, WarehouseError> {
        let (who, id) = (who.to_owned(), id.to_owned());
        let write = self
            .database
            .write(Some(once), move |tx| Box::pin(async move { steps::cancel(tx, &who, &id, &reason).await }));
        write.await
    }

    /// Takes back what the courier returned.
    pub(super) async fn inspect(
        &self,
        once: &Once,
        who: &str,
        id: &str,
        inspection: Inspection,
    ) -> Result<Shipment, WarehouseError> {
        let (who, id) = (who.to_owned(), id.to_owned());
        let write = self
            .database
            .write(Some(once), move |tx| Box::pin(async move { counting::inspect(tx, &who, &id, &inspection).await }));
        write.await
    }

    /// Takes a count down.
    pub(super) async fn count(&self, once: &Once, who: &str, new: NewCount) -> Result<Count, WarehouseError> {
        let who = who.to_owned();
        let write =
            self.database.write(Some(once), move |tx| Box::pin(async move { counting::count(tx, &who, &new).await }));
        write.await
    }

    /// Compares the ledger with the balances.
    pub(super) async fn audit(&self, item: Option<&str>) -> Result<Audit, WarehouseError> {
        let item = item.map(counting::item).transpose()?;
        Ok(audit::audit(&self.database, item.as_ref().map(super::model::Item::as_str)).await?)
    }

    /// The label of a packed shipment.
    pub(super) async fn label(&self, id: &str, pdf: bool) -> Result<LabelFile, WarehouseError> {
        let shipment = read(&self.database, id).await?;
        let Some(sscc) = shipment.sscc.as_deref() else {
            return Err(WarehouseError::Step(shipment.state, "there is no label before it is packed"));
        };
        let row = self.database.row("SELECT deliver_to FROM shipment WHERE id = $1", args![id]).await?;
        let to: Address = row.ok_or(WarehouseError::Unknown("shipment"))?.json(0)?;
        let label = Label {
            from: &self.settings.address,
            to: &to,
            reference: &shipment.reference,
            parcel: shipment.parcel.as_deref(),
            sscc,
            weight_g: shipment.weight_g.unwrap_or(0),
            cold_chain: shipment.cold_chain,
        };
        Ok(if pdf { LabelFile::Pdf(label::pdf(&label)) } else { LabelFile::Zpl(label::zpl(&label)) })
    }
}
