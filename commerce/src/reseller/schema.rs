//! The reseller's tables.

use crate::store::Migration;

/// Orders, the ledger, offers, medicines.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 200,
        name: "orders as sagas",
        sql: "
            CREATE TABLE saga (
                id TEXT NOT NULL PRIMARY KEY,
                customer TEXT NOT NULL,
                state TEXT NOT NULL,
                step TEXT NOT NULL,
                body TEXT NOT NULL,
                version BIGINT NOT NULL,
                created_at BIGINT NOT NULL,
                deadline BIGINT NOT NULL,
                due BIGINT,
                claimed_by TEXT NOT NULL DEFAULT '',
                claimed_until BIGINT NOT NULL DEFAULT 0
            );
            CREATE INDEX saga_due ON saga (due) WHERE due IS NOT NULL;
            CREATE INDEX saga_customer ON saga (customer, id);
            CREATE TABLE sub_order (
                order_id TEXT NOT NULL,
                part BIGINT NOT NULL,
                shop TEXT NOT NULL,
                shop_order TEXT,
                state TEXT NOT NULL,
                PRIMARY KEY (order_id, part)
            );
            CREATE UNIQUE INDEX sub_order_shop ON sub_order (shop, shop_order);
            CREATE TABLE shipment (
                id TEXT NOT NULL PRIMARY KEY,
                order_id TEXT NOT NULL,
                place BIGINT NOT NULL
            );
            CREATE TABLE parcel (
                number TEXT NOT NULL PRIMARY KEY,
                order_id TEXT NOT NULL
            );
            CREATE TABLE history (
                order_id TEXT NOT NULL,
                seq BIGINT NOT NULL,
                at BIGINT NOT NULL,
                step TEXT NOT NULL,
                detail TEXT NOT NULL,
                PRIMARY KEY (order_id, seq)
            );
            CREATE TABLE ledger (
                seq {serial},
                order_id TEXT NOT NULL,
                entry TEXT NOT NULL UNIQUE,
                kind TEXT NOT NULL CHECK (kind IN ('charge', 'refund')),
                minor BIGINT NOT NULL CHECK (minor >= 0),
                currency TEXT NOT NULL,
                at BIGINT NOT NULL
            );
            CREATE INDEX ledger_order ON ledger (order_id);
            CREATE TABLE demo_payment (
                name TEXT NOT NULL PRIMARY KEY,
                charge TEXT NOT NULL,
                kind TEXT NOT NULL CHECK (kind IN ('charge', 'refund', 'refused', 'void')),
                minor BIGINT NOT NULL CHECK (minor >= 0),
                at BIGINT NOT NULL
            );
            CREATE INDEX demo_payment_charge ON demo_payment (charge)
        ",
    },
    Migration {
        version: 201,
        name: "offers and medicines",
        sql: "
            CREATE TABLE offer (
                shop TEXT NOT NULL,
                sku TEXT NOT NULL,
                gtin TEXT,
                category TEXT NOT NULL,
                restricted BIGINT NOT NULL,
                words TEXT NOT NULL,
                body TEXT NOT NULL,
                seen_at BIGINT NOT NULL,
                PRIMARY KEY (shop, sku)
            );
            CREATE INDEX offer_gtin ON offer (gtin) WHERE gtin IS NOT NULL;
            CREATE TABLE feed (
                shop TEXT NOT NULL PRIMARY KEY,
                next BIGINT NOT NULL,
                seen_at BIGINT NOT NULL
            );
            CREATE TABLE terms (
                shop TEXT NOT NULL PRIMARY KEY,
                body TEXT NOT NULL
            );
            CREATE TABLE medicine (
                sku TEXT NOT NULL PRIMARY KEY,
                words TEXT NOT NULL DEFAULT '',
                body TEXT,
                seen_at BIGINT,
                due BIGINT NOT NULL,
                failures BIGINT NOT NULL DEFAULT 0,
                asked_at BIGINT NOT NULL
            );
            CREATE INDEX medicine_due ON medicine (due)
        ",
    },
];
