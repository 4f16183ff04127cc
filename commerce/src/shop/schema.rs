//! The tables of the order book.

use crate::store::Migration;

/// Products, stock, prices, orders: for every shop's database. Columns that are read for every order come first.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 100,
    name: "order book",
    sql: "
        CREATE TABLE product (
            sku TEXT NOT NULL PRIMARY KEY,
            version BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            change BIGINT NOT NULL,
            active BIGINT NOT NULL,
            minor BIGINT NOT NULL CHECK (minor >= 0),
            currency TEXT NOT NULL,
            vat_rate BIGINT NOT NULL CHECK (vat_rate >= 0),
            gtin TEXT,
            category TEXT NOT NULL,
            weight_g BIGINT NOT NULL,
            volume_ml BIGINT NOT NULL,
            cold_chain BIGINT NOT NULL,
            name TEXT NOT NULL,
            description TEXT NOT NULL,
            attributes TEXT NOT NULL,
            search TEXT NOT NULL
        );
        CREATE UNIQUE INDEX product_change ON product (change);
        CREATE INDEX product_category ON product (category, sku);
        CREATE INDEX product_gtin ON product (gtin) WHERE gtin IS NOT NULL;
        CREATE TABLE catalogue (
            one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
            change BIGINT NOT NULL
        );
        INSERT INTO catalogue (one, change) VALUES (1, 0);
        CREATE TABLE price (
            sku TEXT NOT NULL,
            since BIGINT NOT NULL,
            minor BIGINT NOT NULL,
            PRIMARY KEY (sku, since)
        ){sqlite: WITHOUT ROWID};
        CREATE TABLE stock (
            location TEXT NOT NULL,
            sku TEXT NOT NULL,
            on_hand BIGINT NOT NULL CHECK (on_hand >= 0),
            reserved BIGINT NOT NULL CHECK (reserved >= 0),
            announced BIGINT NOT NULL,
            PRIMARY KEY (location, sku),
            CHECK (reserved <= on_hand)
        ){sqlite: WITHOUT ROWID};
        CREATE INDEX stock_sku ON stock (sku);
        CREATE TABLE restock (
            seq {serial},
            at BIGINT NOT NULL,
            who TEXT NOT NULL,
            location TEXT NOT NULL,
            sku TEXT NOT NULL,
            quantity BIGINT NOT NULL
        );
        CREATE TABLE purchase (
            id TEXT NOT NULL PRIMARY KEY,
            version BIGINT NOT NULL,
            state TEXT NOT NULL,
            location TEXT NOT NULL,
            customer TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            due_at BIGINT,
            minor BIGINT NOT NULL,
            currency TEXT NOT NULL,
            reference TEXT,
            payment TEXT,
            reason TEXT,
            parcel TEXT,
            deliver_to TEXT
        ){sqlite: WITHOUT ROWID};
        CREATE INDEX purchase_customer ON purchase (customer, id);
        CREATE INDEX purchase_due ON purchase (due_at) WHERE due_at IS NOT NULL;
        CREATE TABLE purchase_line (
            purchase TEXT NOT NULL,
            line BIGINT NOT NULL,
            sku TEXT NOT NULL,
            quantity BIGINT NOT NULL CHECK (quantity > 0),
            unit_minor BIGINT NOT NULL,
            discount BIGINT NOT NULL CHECK (discount >= 0),
            vat_rate BIGINT NOT NULL,
            name TEXT NOT NULL,
            promotion TEXT,
            prescription TEXT,
            PRIMARY KEY (purchase, line)
        ){sqlite: WITHOUT ROWID};
    ",
}];
