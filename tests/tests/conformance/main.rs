//! The relay checklist, item by item: a test's name begins with the number of its item.

mod publishers;
