//! Where tracks are born: ingest, package, publish
