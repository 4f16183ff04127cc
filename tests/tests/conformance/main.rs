//! The checklist of draft-18, item by item, over the real relay: a test's name begins with the number of its item. `items.toml` lists
//! them, `docs/conformance.md` says which pass.

mod answers;
mod fetch;
mod malformed;
mod namespaces;
mod publisher;
mod publishers;
mod session;
mod subgroups;
mod subscribe;
mod timing;
mod tokens;
