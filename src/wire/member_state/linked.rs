//! What is kept by the hash of an order's id, written by the lots of those orders: a lot has the
//! id, so the hash need not be written beside it, and times lie near those of the lot.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::packed::{Malformed, Reader, Writer};
use crate::domain::ids;
use crate::domain::instant::Instant;
use crate::domain::ledger::lots::Lot;

/// Orders that are named by what was written before, each once, in the order of its first lot;
/// behind them those without lots.
#[derive(Default)]
pub struct Named {
    orders: Vec<Link>,
    places: HashMap<u64, usize, foldhash::fast::RandomState>,
}

/// An order, and when its first lot was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub hash: u64,
    pub issued_at: Option<Instant>,
}

impl Named {
    pub fn of_lots<'l>(lots: impl Iterator<Item = &'l Lot>) -> Self {
        let mut named = Named::default();
        for lot in lots {
            if let Some(order) = &lot.order {
                named.add(Link {
                    hash: ids::order_memory(order),
                    issued_at: Some(lot.issued_at),
                });
            }
        }
        named
    }

    fn add(&mut self, link: Link) {
        if let Entry::Vacant(free) = self.places.entry(link.hash) {
            free.insert(self.orders.len());
            self.orders.push(link);
        }
    }

    /// Writes which orders follow, and gives them in the order in which they must be written. They
    /// come in the order of their hashes. What is named here need not be named again.
    pub fn write<'v, T>(
        &mut self,
        values: impl ExactSizeIterator<Item = (u64, &'v T)>,
        out: &mut Writer,
    ) -> Vec<(Link, &'v T)> {
        let mut linked: Vec<Option<&T>> = vec![None; self.orders.len()];
        let mut others = Vec::new();
        for (hash, value) in values {
            match self.places.get(&hash) {
                Some(place) => linked[*place] = Some(value),
                None => others.push((hash, value)),
            }
        }
        let mut rest = &linked[..];
        while !rest.is_empty() {
            for present in [false, true] {
                let run = rest.iter().take_while(|value| value.is_some() == present).count();
                out.uint(run as u64);
                rest = &rest[run..];
            }
        }
        out.uint(others.len() as u64);
        let mut before = 0;
        for (hash, _) in &others {
            out.uint(hash.wrapping_sub(before));
            before = *hash;
        }
        let links = self.orders.iter().zip(linked);
        let mut all: Vec<_> = links.filter_map(|(link, value)| Some((*link, value?))).collect();
        for (hash, value) in others {
            let link = Link {
                hash,
                issued_at: None,
            };
            self.add(link);
            all.push((link, value));
        }
        all
    }

    /// Reads which orders follow, in the order in which they were written.
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<Vec<Link>, Malformed> {
        let mut all = Vec::new();
        let mut place = 0;
        while place < self.orders.len() {
            let (absent, present) = (from.number()?, from.number()?);
            let left = (self.orders.len() - place) as u128;
            let run = absent.checked_add(present).filter(|run| (1..=left).contains(run));
            run.ok_or(Malformed)?;
            let begin = place + absent as usize;
            place = begin + present as usize;
            all.extend_from_slice(&self.orders[begin..place]);
        }
        let mut hash = 0u64;
        for other in 0..from.count()? {
            let distance = from.uint()?;
            // They are in order, and each is there once.
            if other > 0 && distance == 0 {
                return Err(Malformed);
            }
            hash = hash.checked_add(distance).ok_or(Malformed)?;
            if self.places.contains_key(&hash) {
                return Err(Malformed);
            }
            let link = Link {
                hash,
                issued_at: None,
            };
            self.add(link);
            all.push(link);
        }
        Ok(all)
    }
}
