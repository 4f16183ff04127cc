//! One append-only log per live group, cursors for viewers: what origin and relay both serve from.
