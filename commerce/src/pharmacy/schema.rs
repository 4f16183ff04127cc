//! The tables of the pharmacy, beside those of the order book.

use crate::store::Migration;

/// Medicines, prescriptions and who read them, advice, parcels that go out.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 300,
    name: "pharmacy",
    sql: "
        CREATE TABLE medicine (
            vnr TEXT NOT NULL PRIMARY KEY,
            body TEXT NOT NULL
        );
        CREATE TABLE medicines (
            one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
            change BIGINT NOT NULL
        );
        INSERT INTO medicines (one, change) VALUES (1, 0);
        CREATE TABLE prescription (
            id TEXT NOT NULL PRIMARY KEY,
            version BIGINT NOT NULL,
            patient TEXT NOT NULL,
            prescriber TEXT NOT NULL,
            vnr TEXT NOT NULL,
            substitution_group TEXT,
            packages BIGINT NOT NULL CHECK (packages > 0),
            remaining BIGINT NOT NULL CHECK (remaining >= 0),
            substitution BIGINT NOT NULL,
            interval_days BIGINT NOT NULL,
            dosage TEXT NOT NULL,
            valid_from BIGINT NOT NULL,
            valid_until BIGINT NOT NULL,
            cancelled BIGINT NOT NULL,
            last_dispensed BIGINT,
            lock_order TEXT,
            lock_quantity BIGINT,
            lock_until BIGINT,
            CHECK (remaining <= packages),
            CHECK (lock_order IS NULL OR (lock_quantity > 0 AND lock_quantity <= remaining))
        );
        CREATE INDEX prescription_patient ON prescription (patient, id);
        CREATE INDEX prescription_lock ON prescription (lock_order) WHERE lock_order IS NOT NULL;
        CREATE TABLE prescription_access (
            seq {serial},
            prescription TEXT NOT NULL,
            at BIGINT NOT NULL,
            who TEXT NOT NULL,
            actor TEXT,
            what TEXT NOT NULL,
            why TEXT NOT NULL
        );
        CREATE INDEX prescription_access_of ON prescription_access (prescription, seq);
        CREATE TABLE dispensing (
            seq {serial},
            prescription TEXT NOT NULL,
            purchase TEXT NOT NULL,
            quantity BIGINT NOT NULL CHECK (quantity > 0),
            at BIGINT NOT NULL,
            UNIQUE (prescription, purchase)
        );
        CREATE TABLE advice (
            purchase TEXT NOT NULL PRIMARY KEY,
            body TEXT NOT NULL,
            who TEXT NOT NULL,
            at BIGINT NOT NULL,
            synthetic BIGINT NOT NULL
        );
        CREATE INDEX purchase_advice ON purchase (created_at) WHERE state = 'advice';
        CREATE TABLE outgoing (
            purchase TEXT NOT NULL PRIMARY KEY,
            state TEXT NOT NULL,
            due_at BIGINT,
            attempts BIGINT NOT NULL,
            number TEXT
        );
        CREATE INDEX outgoing_due ON outgoing (due_at) WHERE due_at IS NOT NULL;
        CREATE TABLE import_row (
            run TEXT NOT NULL,
            vnr TEXT NOT NULL,
            minor BIGINT,
            body TEXT NOT NULL,
            PRIMARY KEY (run, vnr)
        );
    ",
}];
