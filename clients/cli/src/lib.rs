//! The efir command: list, pull, fetch and inspect broadcasts
