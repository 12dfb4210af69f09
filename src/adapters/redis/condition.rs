//! Whether a server may hold state, by what its `INFO memory` says.
//!
//! `INFO` is asked and not `CONFIG`, because managed servers forbid the latter.

use std::fmt;

use redis::Value;

const WANTED_POLICY: &str = "noeviction";

/// Why a server will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may remove keys on its own (E3).
    Evicts(String),
    /// It does not say whether it does.
    NoPolicy,
    /// It refuses writes.
    Full { used: u64, limit: u64 },
}

impl Fault {
    /// Whether what is read there may be believed: a full server only refuses writes.
    pub(super) fn forgets(&self) -> bool {
        !matches!(self, Self::Full { .. })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicts(policy) => write!(
                f,
                "Redis has maxmemory-policy {policy}, which lets it drop state: set it to {WANTED_POLICY} [E3]"
            ),
            Self::NoPolicy => write!(
                f,
                "Redis does not tell its maxmemory_policy (INFO memory): it must be {WANTED_POLICY} [E3]"
            ),
            Self::Full { used, limit } => write!(
                f,
                "Redis is full: it uses {used} of {limit} bytes (maxmemory) and refuses writes"
            ),
        }
    }
}

/// The worst of what the answering nodes say.
pub(super) fn fault(reply: &Value) -> Option<Fault> {
    let mut nodes = Vec::new();
    collect(reply, &mut nodes);
    if nodes.is_empty() {
        return Some(Fault::NoPolicy);
    }
    let faults: Vec<Fault> = nodes.iter().filter_map(|text| of_node(text)).collect();
    let worst = faults.iter().find(|fault| fault.forgets());
    worst.or(faults.first()).cloned()
}

fn of_node(text: &str) -> Option<Fault> {
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    let number = |name| field(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    match field("maxmemory_policy") {
        None => return Some(Fault::NoPolicy),
        Some(WANTED_POLICY) => {}
        Some(policy) => return Some(Fault::Evicts(policy.to_owned())),
    }
    // Buffers of replicas and of the append-only file do not count.
    let used = number("used_memory").saturating_sub(number("mem_not_counted_for_evict"));
    let limit = number("maxmemory");
    (limit > 0 && used > limit).then_some(Fault::Full { used, limit })
}

fn collect(reply: &Value, found: &mut Vec<String>) {
    match reply {
        Value::BulkString(bytes) => found.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        // A cluster answers by node.
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_node_decides() {
        let node = |policy: &str, used: u64, limit: u64| {
            let text = format!(
                "# Memory\r\nused_memory:{used}\r\nmem_not_counted_for_evict:10\r\n\
                 maxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n"
            );
            Value::BulkString(text.into_bytes())
        };
        let full = Fault::Full {
            used: 1_001,
            limit: 1_000,
        };
        let evicts = Fault::Evicts("allkeys-lru".into());
        let rows = [
            (vec![node("noeviction", 5_000, 0)], None),
            (vec![node("noeviction", 1_010, 1_000)], None),
            (vec![node("noeviction", 1_011, 1_000)], Some(full.clone())),
            (vec![node("allkeys-lru", 0, 0)], Some(evicts.clone())),
            (
                vec![node("noeviction", 1_011, 1_000), node("allkeys-lru", 0, 0)],
                Some(evicts),
            ),
            (vec![], Some(Fault::NoPolicy)),
            (
                vec![Value::SimpleString("maxmemory:5".into())],
                Some(Fault::NoPolicy),
            ),
        ];
        for (nodes, wanted) in rows {
            let named = nodes.iter().map(|node| (Value::Nil, node.clone())).collect();
            assert_eq!(fault(&Value::Map(named)), wanted, "{nodes:?}");
        }
    }
}
