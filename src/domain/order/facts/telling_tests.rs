use proptest::prelude::*;

use super::*;

fn told(at: i64, time: i64, event_id: &str) -> Told {
    Told {
        at: Instant(at),
        time: Instant(time),
        event_id: event_id.into(),
        traceparent: None,
    }
}

#[derive(Clone, Debug)]
enum Event {
    Told(Told),
    Withdrawn(i64),
}

fn learned<'a>(events: impl IntoIterator<Item = &'a Event>) -> Known {
    let mut known = Known::default();
    let mut withdrawn = None;
    for event in events {
        match event {
            Event::Told(told) => known.learn(told.clone(), withdrawn),
            Event::Withdrawn(time) => {
                withdrawn = withdrawn.max(Some(Instant(*time)));
                known.withdraw(Instant(*time));
            }
        }
    }
    known
}

#[test]
fn the_earliest_occurrence_told_after_the_withdrawal_counts() {
    let check = |events: &[Event], wanted: Option<(i64, &str)>| {
        let known = learned(events);
        let first = known.first.as_ref().map(|told| (told.at.0, &*told.event_id));
        assert_eq!(first, wanted, "{events:?}");
    };
    let tell = |at, time, id| Event::Told(told(at, time, id));
    check(&[tell(5, 10, "a"), tell(3, 11, "b")], Some((3, "b")));
    check(&[tell(5, 10, "a"), tell(5, 11, "b")], Some((5, "a")));
    check(&[tell(5, 10, "a"), Event::Withdrawn(10)], None);
    check(&[tell(5, 11, "a"), Event::Withdrawn(10)], Some((5, "a")));
    check(
        &[tell(3, 9, "a"), tell(5, 11, "b"), Event::Withdrawn(10)],
        Some((5, "b")),
    );
    check(
        &[
            Event::Withdrawn(10),
            tell(5, 11, "b"),
            tell(3, 9, "a"),
            tell(4, 12, "c"),
        ],
        Some((4, "c")),
    );
}

proptest! {
    /// Tellings and withdrawals are a set, and what counts is what the text says.
    #[test]
    fn any_order_of_arrival_leaves_the_same(
        events in proptest::collection::vec((0..6i64, 0..8i64, any::<bool>(), 0..6u8), 1..9),
        seed in any::<u64>(),
    ) {
        let events: Vec<Event> = events
            .into_iter()
            .map(|(at, time, withdrawn, id)| match withdrawn && id < 2 {
                true => Event::Withdrawn(time),
                false => Event::Told(told(at, time, &format!("e{id}"))),
            })
            .collect();
        let known = learned(&events);
        let mut order: Vec<usize> = (0..events.len()).collect();
        let mut random = seed;
        for i in (1..order.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(i, (random >> 33) as usize % (i + 1));
        }
        let again = order.iter().chain(&order).map(|i| &events[*i]);
        prop_assert_eq!(&learned(again), &known);

        let latest = events.iter().filter_map(|event| match event {
            Event::Withdrawn(time) => Some(*time),
            Event::Told(_) => None,
        });
        let latest = latest.max();
        let counting = events.iter().filter_map(|event| match event {
            Event::Told(told) if latest.is_none_or(|latest| told.time.0 > latest) => Some(told.at),
            _ => None,
        });
        prop_assert_eq!(known.first.map(|told| told.at), counting.min());
    }
}
