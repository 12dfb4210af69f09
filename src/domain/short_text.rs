//! Ids, codes and names: text that is nearly always short.

/// Up to 24 bytes lie within the value itself, so that what is kept of an order or a member lies
/// together in memory and is copied without an allocation. Longer text is as a `String`.
pub type ShortText = compact_str::CompactString;
