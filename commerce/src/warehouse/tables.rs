//! The warehouse's tables.

use crate::store::Migration;

/// All steps so far.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    version: 200,
    name: "stock, ledger, shipments",
    sql: "
        CREATE TABLE item (
            item TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            weight_g BIGINT NOT NULL,
            volume_ml BIGINT NOT NULL,
            cold_chain BIGINT NOT NULL
        );
        CREATE TABLE stock (
            id {serial},
            item TEXT NOT NULL,
            lot TEXT NOT NULL,
            expires_at BIGINT,
            bin TEXT NOT NULL,
            on_hand BIGINT NOT NULL CHECK (on_hand >= 0),
            reserved BIGINT NOT NULL CHECK (reserved >= 0),
            CHECK (reserved <= on_hand),
            UNIQUE (item, lot, bin)
        );
        CREATE INDEX stock_bin ON stock (bin);
        CREATE INDEX stock_expires ON stock (expires_at);
        CREATE TABLE ledger (
            seq {serial},
            at BIGINT NOT NULL,
            kind TEXT NOT NULL,
            stock BIGINT NOT NULL,
            on_hand BIGINT NOT NULL,
            reserved BIGINT NOT NULL,
            shipment TEXT,
            reason TEXT NOT NULL,
            who TEXT NOT NULL
        );
        CREATE INDEX ledger_stock ON ledger (stock);
        CREATE INDEX ledger_shipment ON ledger (shipment);
        CREATE TABLE receipt (
            id TEXT NOT NULL PRIMARY KEY,
            reference TEXT NOT NULL UNIQUE,
            asked TEXT NOT NULL,
            body TEXT NOT NULL
        );
        CREATE TABLE shipment (
            seq {serial},
            id TEXT NOT NULL UNIQUE,
            reference TEXT NOT NULL,
            state TEXT NOT NULL,
            partial BIGINT NOT NULL,
            lacking BIGINT NOT NULL,
            deliver_to TEXT NOT NULL,
            value BIGINT NOT NULL,
            currency TEXT NOT NULL,
            sscc TEXT,
            parcel TEXT,
            weight_g BIGINT,
            volume_ml BIGINT,
            cold_chain BIGINT NOT NULL,
            inspected BIGINT NOT NULL,
            created_at BIGINT NOT NULL,
            changed_at BIGINT NOT NULL,
            version BIGINT NOT NULL
        );
        CREATE INDEX shipment_reference ON shipment (reference);
        CREATE INDEX shipment_state ON shipment (state, changed_at);
        CREATE INDEX shipment_lacking ON shipment (seq) WHERE lacking = 1;
        CREATE TABLE shipment_line (
            shipment TEXT NOT NULL,
            line BIGINT NOT NULL,
            item TEXT NOT NULL,
            quantity BIGINT NOT NULL,
            shipped BIGINT NOT NULL,
            PRIMARY KEY (shipment, line)
        );
        CREATE INDEX shipment_line_item ON shipment_line (item);
        CREATE TABLE allocation (
            shipment TEXT NOT NULL,
            line BIGINT NOT NULL,
            stock BIGINT NOT NULL,
            quantity BIGINT NOT NULL CHECK (quantity > 0),
            PRIMARY KEY (shipment, line, stock)
        );
        CREATE INDEX allocation_stock ON allocation (stock);
        CREATE TABLE sscc (
            serial {serial},
            shipment TEXT NOT NULL UNIQUE
        );
        CREATE TABLE booking (
            shipment TEXT NOT NULL PRIMARY KEY,
            due_at BIGINT,
            attempts BIGINT NOT NULL,
            error TEXT
        );
        CREATE INDEX booking_due ON booking (due_at);
        CREATE TABLE count (
            id TEXT NOT NULL PRIMARY KEY,
            stock BIGINT NOT NULL,
            expected BIGINT NOT NULL,
            counted BIGINT NOT NULL,
            reason TEXT NOT NULL,
            state TEXT NOT NULL,
            who TEXT NOT NULL,
            at BIGINT NOT NULL
        );
        CREATE INDEX count_stock ON count (stock, at);
    ",
}];
