//! The whole system in one process, plus the structure tests

pub mod raw;
pub mod system;
