//! The whole system in one process, plus the structure tests
