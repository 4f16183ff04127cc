//! How requests are read and answers are given: extractors and helpers that every actor's handlers share. Each refuses bad
//! input with a [`Problem`](crate::problem::Problem) that points at the value at fault.

mod address;
mod body;
mod command;
mod limit;
mod live;
mod page;
mod version;

pub(crate) use address::{Path, Query};
pub(crate) use body::{Items, Json, Nothing};
pub(crate) use command::{Command, KEY_HEADER, MISSING, key_of};
pub(crate) use limit::KEY_BYTES;
pub(crate) use live::{Entry, Live, Streams};
pub(crate) use page::{Listed, Page};
pub(crate) use version::{IfMatch, tagged, tagged_json};
