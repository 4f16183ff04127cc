//! Origin, relay and HTTP in one process
