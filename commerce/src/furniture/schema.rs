//! The furniture shop's own tables, beside those of the order book and of webhooks.

use crate::store::Migration;

/// Discounts and exports.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    version: 200,
    name: "discounts and exports",
    sql: "
        CREATE TABLE discount (
            id TEXT NOT NULL PRIMARY KEY,
            title TEXT NOT NULL,
            percent BIGINT,
            amount BIGINT,
            starts_at BIGINT NOT NULL,
            ends_at BIGINT NOT NULL,
            told BIGINT NOT NULL,
            CHECK (starts_at < ends_at),
            CHECK ((percent IS NULL) <> (amount IS NULL))
        );
        CREATE INDEX discount_told ON discount (told, starts_at) WHERE told < 2;
        CREATE TABLE discount_item (
            sku TEXT NOT NULL,
            discount TEXT NOT NULL,
            PRIMARY KEY (sku, discount)
        );
        CREATE INDEX discount_item_discount ON discount_item (discount);
        CREATE TABLE export (
            id TEXT NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            format TEXT NOT NULL,
            since BIGINT,
            state TEXT NOT NULL,
            rows_done BIGINT NOT NULL,
            rows_total BIGINT,
            bytes BIGINT,
            sha256 TEXT,
            snapshot BIGINT,
            error TEXT,
            created_at BIGINT NOT NULL,
            finished_at BIGINT,
            expires_at BIGINT NOT NULL,
            version BIGINT NOT NULL
        );
        CREATE INDEX export_owner ON export (owner, id);
        CREATE INDEX export_expires ON export (expires_at);
    ",
}];
