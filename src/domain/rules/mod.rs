//! Rule versions: what a shop has decided, as values. How a document is read is `wire`'s.

pub mod book;
pub mod model;
