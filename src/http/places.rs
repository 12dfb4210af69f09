//! Who may connect: places for every request, limited in all and for each peer, and places for
//! probes alone. When those are taken too, a newcomer ends the oldest connection of the peer that
//! holds most of them, after a time in which every honest probe has been answered.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tokio::task::{AbortHandle, Id};
use tokio::time::{Duration, Instant};

use super::server::Limits;

/// What is served on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Any,
    Probe,
}

/// Addresses that count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(IpAddr);

impl Peer {
    /// One host has a whole /64 of IPv6.
    pub fn of(address: SocketAddr) -> Self {
        const NETWORK: u128 = !(u64::MAX as u128);
        Self(match address.ip().to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & NETWORK)),
            ip => ip,
        })
    }
}

/// A probe's head has usually come before its connection is accepted. Without this a flood of new
/// connections would end those of honest probes before they are read.
const PROBE_MIN_LIFE: Duration = Duration::from_millis(100);

struct Taken {
    peer: Peer,
    place: Place,
    since: Instant,
    task: AbortHandle,
}

/// Connections in the order in which they came.
pub struct Places {
    any_max_count: usize,
    per_peer_max_count: usize,
    probes_max_count: usize,
    taken: Vec<Taken>,
}

impl Places {
    pub fn new(limits: &Limits) -> Self {
        Self {
            any_max_count: limits.connections_max_count,
            per_peer_max_count: limits.connections_per_peer,
            probes_max_count: limits.probes_max_count,
            taken: Vec::new(),
        }
    }

    /// What can be served to one more connection of the peer.
    pub fn free(&self, peer: Peer) -> Place {
        let any = self.of(Place::Any);
        let (mut in_all, mut of_peer) = (0, 0);
        any.for_each(|taken| {
            in_all += 1;
            of_peer += usize::from(taken.peer == peer);
        });
        match in_all < self.any_max_count && of_peer < self.per_peer_max_count {
            true => Place::Any,
            false => Place::Probe,
        }
    }

    /// Until when a newcomer must wait so that there is a place for it.
    pub fn free_at(&self, place: Place) -> Option<Instant> {
        let oldest = self.to_end(place)?;
        Some(self.taken[oldest].since + PROBE_MIN_LIFE)
    }

    pub fn enter(&mut self, peer: Peer, place: Place, task: AbortHandle) {
        if let Some(oldest) = self.to_end(place) {
            self.taken.remove(oldest).task.abort();
        }
        let since = Instant::now();
        self.taken.push(Taken {
            peer,
            place,
            since,
            task,
        });
    }

    pub fn leave(&mut self, task: Id) {
        self.taken.retain(|taken| taken.task.id() != task);
    }

    fn of(&self, place: Place) -> impl Iterator<Item = &Taken> {
        self.taken.iter().filter(move |taken| taken.place == place)
    }

    /// Which connection a newcomer would end.
    fn to_end(&self, place: Place) -> Option<usize> {
        if place == Place::Any || self.of(place).count() < self.probes_max_count {
            return None;
        }
        let held_by = |peer| self.of(Place::Probe).filter(|taken| taken.peer == peer).count();
        // Among equals the last is the maximum, and in reverse that is the oldest.
        let probes = self.taken.iter().enumerate().rev();
        let probes = probes.filter(|(_, taken)| taken.place == Place::Probe);
        let oldest = probes.max_by_key(|(_, taken)| held_by(taken.peer));
        oldest.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::of(SocketAddr::from(([192, 0, 2, last], 1)))
    }

    #[tokio::test]
    async fn who_holds_most_makes_room() {
        let limits = Limits {
            connections_max_count: 3,
            connections_per_peer: 2,
            probes_max_count: 3,
            ..Limits::default()
        };
        let mut places = Places::new(&limits);
        let mut tasks = tokio::task::JoinSet::new();
        let mut ids = Vec::new();
        // Peer, and where it is put: the first loses its place at the last.
        for (number, place) in [
            (1, Place::Any),
            (1, Place::Any),
            (1, Place::Probe),
            (2, Place::Any),
            (3, Place::Probe),
            (1, Place::Probe),
            (3, Place::Probe),
        ] {
            let task = tasks.spawn(std::future::pending::<()>());
            ids.push(task.id());
            let free = places.free(peer(number));
            assert_eq!(free, place, "connection {}", ids.len());
            places.enter(peer(number), free, task);
        }
        let ended = tasks.join_next_with_id().await.unwrap();
        assert_eq!(ended.unwrap_err().id(), ids[2]);
        places.leave(ids[0]);
        assert_eq!(places.free(peer(1)), Place::Any);
        assert_eq!(places.free(peer(1)), Place::Any, "asking takes nothing");
        places.leave(ids[3]);
        assert_eq!(places.free(peer(9)), Place::Any);
    }

    #[test]
    fn one_host_is_one_peer() {
        let of = |text: &str| Peer::of(text.parse().unwrap());
        assert_eq!(of("192.0.2.1:1"), of("[::ffff:192.0.2.1]:2"));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:1]:1"));
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_ne!(of("192.0.2.1:1"), of("192.0.2.2:1"));
    }
}
