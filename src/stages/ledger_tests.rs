use super::*;
use crate::domain::entry::{Birthday, FactStep, Grant, Invalid, OrderFact, Qualify, TierSet};
use crate::domain::ledger::fixtures::{at, birthday_rules, book, rules, time};
use crate::domain::ledger::tiers::fixtures::{level, shop};
use crate::engine::embedded::Embedded;

fn ledger(book: RuleBook) -> Ledger {
    let topics = Topics {
        issued: "issued".into(),
        expired: "expired".into(),
        events: "events".into(),
        entries: "entries".into(),
    };
    Ledger::new(Arc::new(ArcSwap::from_pointee(book)), topics, 90)
}

fn entry(member_id: &str, id: &str, time: Instant, kind: EntryKind) -> Entry {
    Entry {
        shop_id: "acme".into(),
        member_id: member_id.into(),
        at: time,
        effective_at: time,
        cause_id: id.into(),
        cause_source: "/test".into(),
        order_id: None,
        step: 0,
        rule_version: None,
        traceparent: None,
        kind,
    }
}

fn registered(member_id: &str, id: &str, time: Instant) -> Entry {
    let birthday = Some(Birthday { month: 4, day: 15 });
    entry(
        member_id,
        id,
        time,
        EntryKind::Command(Command::Registered { birthday }),
    )
}

fn grant_all(id: &str, time: Instant) -> Entry {
    let grant = Grant {
        points: 5,
        note: Some("hello".into()),
        expiry: None,
        notify: false,
        actor: None,
    };
    entry("", id, time, EntryKind::GrantAll(grant))
}

fn record(entry: &Entry) -> Record {
    Record {
        partition: 0,
        offset: 0,
        timestamp: None,
        key: Some(keys::ledger_key(entry)),
        value: Some(ledger_entry::encode(entry)),
        headers: Vec::new(),
    }
}

/// The stage alone, with what it sends to itself read back at once.
struct Bench<'a> {
    ledger: &'a Ledger,
    stage: Embedded<'a, Ledger>,
    published: Vec<(String, serde_json::Value)>,
}

impl<'a> Bench<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        Bench {
            ledger,
            stage: Embedded::new(ledger),
            published: Vec::new(),
        }
    }

    fn send(&mut self, entry: &Entry) {
        let record = record(entry);
        let decoded = self.ledger.decode(&record).unwrap();
        let sent = self.stage.event(&decoded, &record, decoded.at.unwrap()).unwrap();
        self.take(sent);
    }

    fn fire_before(&mut self, time: Instant) {
        while self
            .stage
            .next_wake()
            .is_some_and(|wake| Instant::from_millis(wake) < time)
        {
            let sent = self.stage.fire().unwrap();
            self.take(sent);
        }
    }

    fn take(&mut self, sent: Vec<Output>) {
        for output in sent {
            match output {
                Output::Entry(entry, partition) => {
                    assert_eq!(partition, Some(0), "a broadcast stays on its partition");
                    self.send(&entry);
                }
                outcome => {
                    let out = self.ledger.encode(outcome);
                    let data = serde_json::from_slice(&out.value.unwrap()).unwrap();
                    self.published.push((out.topic.to_string(), data));
                }
            }
        }
    }

    fn credited(&self, reason: &str) -> Vec<&str> {
        let issued = self.published.iter().filter(|(_, data)| data["reason"] == reason);
        issued
            .map(|(_, data)| data["member_id"].as_str().unwrap())
            .collect()
    }
}

#[test]
fn a_broadcast_reaches_every_member_known_when_it_was_read() {
    let ledger = ledger(book(&[rules()]));
    let mut bench = Bench::new(&ledger);
    let start = at("2024-05-01 10:00");
    let names: Vec<String> = (0..1_000).map(|number| format!("m-{number:04}")).collect();
    for name in &names {
        bench.send(&registered(name, name, start));
    }
    let stranger = Command::Deduct {
        points: 1,
        lot_id: None,
        note: None,
        actor: None,
    };
    bench.send(&entry("stranger", "d1", start, EntryKind::Command(stranger)));
    let broadcast = at("2024-05-02 10:00");
    bench.send(&grant_all("b1", broadcast));
    let running = || ledger.broadcasts().running(|partition| partition == 0);
    assert_eq!(running(), 1);
    bench.send(&registered("m-late", "late", at("2024-05-02 10:01")));
    bench.send(&grant_all("b1", at("2024-05-02 10:02")));
    bench.fire_before(at("2024-06-01 00:00"));
    assert_eq!(bench.credited("granted_to_all"), names);
    assert_eq!(running(), 0);
    let (topic, data) = bench
        .published
        .iter()
        .find(|(_, data)| data["reason"] == "granted_to_all")
        .unwrap();
    assert_eq!(topic, "issued");
    assert_eq!(data["effective_at"], broadcast.rfc3339());
    assert_eq!((&data["note"], &data["notify"]), (&"hello".into(), &false.into()));
}

/// Not later than anything that arrives with it.
#[test]
fn a_broadcast_goes_on_as_soon_as_it_has_arrived() {
    let ledger = ledger(book(&[rules()]));
    let mut bench = Bench::new(&ledger);
    let start = at("2024-05-01 10:00");
    for number in 0..1_200 {
        let name = format!("m-{number:04}");
        bench.send(&registered(&name, &name, start));
    }
    bench.send(&grant_all("b1", start));
    bench.fire_before(start);
    bench.send(&registered("m-late", "late", start));
    bench.fire_before(at("2024-06-01 00:00"));
    assert_eq!(bench.credited("granted_to_all").len(), 1_200);
}

#[test]
fn a_broadcast_that_cannot_be_carried_out_is_answered_once_and_remembered_everywhere() {
    let ledger = ledger(book(&[rules()]));
    let invalid = Invalid {
        detail: "data.expiry: wrong".into(),
        points: Some(5),
        note: Some("hello".into()),
        notify: false,
        actor: Some("amy".into()),
    };
    let start = at("2024-05-01 10:00");
    let invalid = entry("", "b1", start, EntryKind::Command(Command::Invalid(invalid)));
    let key = keys::broadcast_key("acme");
    let mut answers = Vec::new();
    for partition in 0..3 {
        let (mut state, mut effects) = (None, Effects::default());
        for event in [&invalid, &invalid, &grant_all("b1", start)] {
            let turn = Turn {
                key: &key,
                state: &mut state,
                cause: Cause::Event {
                    event,
                    record: &record(event),
                },
                now: start.ceil_millis(),
                partition,
            };
            ledger.apply(turn, &mut effects).unwrap();
        }
        let Some(LedgerState::Broadcasts(broadcasts)) = &state else {
            panic!("{state:?}");
        };
        assert!(broadcasts.running.is_empty());
        let dropped = effects
            .counts
            .iter()
            .filter(|count| count.0 == COMMANDS_DUPLICATE_TOTAL);
        assert_eq!(dropped.count(), 2);
        answers.extend(effects.outputs.into_iter().map(|output| ledger.encode(output)));
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(
        (&*answers[0].topic, answers[0].key.as_deref()),
        ("events", Some(&b"acme"[..]))
    );
    let data: serde_json::Value = serde_json::from_slice(answers[0].value.as_deref().unwrap()).unwrap();
    let expected = serde_json::json!({
        "shop_id": "acme", "member_id": null, "order_id": null, "rule_version": 1, "reason": "invalid",
        "effective_at": "2024-05-01T10:00:00Z", "cause_id": "b1", "note": "hello", "notify": false,
        "actor": "amy", "points": 5, "detail": "data.expiry: wrong",
    });
    assert_eq!(data, expected);
}

#[test]
fn broadcasts_take_turns() {
    let ledger = ledger(book(&[rules()]));
    let mut bench = Bench::new(&ledger);
    for number in 0..700 {
        let name = format!("m-{number:04}");
        bench.send(&registered(&name, &name, at("2024-05-01 10:00")));
    }
    bench.send(&grant_all("b1", at("2024-05-02 10:00")));
    bench.send(&grant_all("b2", at("2024-05-02 10:00")));
    assert_eq!(ledger.broadcasts().running(|_| true), 2);
    assert_eq!(ledger.broadcasts().running(|_| false), 0);
    bench.fire_before(at("2024-06-01 00:00"));
    assert_eq!(bench.credited("granted_to_all").len(), 1_400);
    bench.fire_before(at("2025-06-01 00:00"));
    assert_eq!(bench.stage.next_wake(), None);
    assert!(
        bench.stage.state(&keys::broadcast_key("acme")).is_none(),
        "it is forgotten in time"
    );
}

#[test]
fn members_served_are_counted() {
    let ledger = ledger(book(&[rules()]));
    let (key, entry) = (
        keys::broadcast_key("acme"),
        grant_all("b1", at("2024-05-02 10:00")),
    );
    let (record, now) = (record(&entry), entry.at.ceil_millis());
    let members = ["m-1", "m-2"].map(|member| keys::key("acme", member));
    let (event, due, scanned) = (&entry, now, &members[..]);
    let (mut state, mut effects) = (None, Effects::default());
    for cause in [
        Cause::Event {
            event,
            record: &record,
        },
        Cause::Timer { due, scanned },
    ] {
        let turn = Turn {
            key: &key,
            state: &mut state,
            cause,
            now,
            partition: 0,
        };
        ledger.apply(turn, &mut effects).unwrap();
    }
    let served = effects
        .counts
        .iter()
        .filter(|count| count.0 == BROADCAST_MEMBERS_TOTAL);
    assert_eq!(served.map(|count| count.2).sum::<u64>(), 2);
}

#[test]
fn a_broadcast_without_members_ends() {
    let ledger = ledger(book(&[rules()]));
    let mut bench = Bench::new(&ledger);
    // Two of one instant: the second goes on where the first has ended at once.
    bench.send(&grant_all("b1", at("2024-05-02 10:00")));
    bench.send(&grant_all("b2", at("2024-05-02 10:00")));
    bench.fire_before(at("2024-05-03 10:00"));
    bench.send(&registered("m-1", "r1", at("2024-05-03 10:00")));
    bench.fire_before(at("2024-05-04 10:00"));
    assert_eq!(bench.credited("granted_to_all"), [""; 0]);
}

#[test]
fn members_who_wait_without_a_rule_get_gifts_once_there_is_one() {
    let ledger = ledger(RuleBook::default());
    let mut bench = Bench::new(&ledger);
    bench.send(&registered("m-1", "r1", at("2024-01-01 10:00")));
    assert_eq!(bench.stage.next_wake(), None);
    let mut book = RuleBook::default();
    book.publish(birthday_rules(time("08:00")), at("2024-02-01 00:00"), 7);
    ledger.book.store(Arc::new(book));
    assert_eq!(ledger.nudges(7), []);
    let nudge = Nudge {
        offset: 7,
        prefix: keys::shop_prefix("acme"),
        every_key: false,
    };
    assert_eq!(ledger.nudges(6), [nudge]);
    bench.stage.nudge(at("2024-02-01 00:00").ceil_millis()).unwrap();
    assert_eq!(
        bench.stage.next_wake(),
        Some(at("2024-04-15 08:00").ceil_millis())
    );
    ledger.set_gift_horizon(at("2024-12-31 00:00"));
    bench.fire_before(at("2030-01-01 00:00"));
    assert_eq!(bench.credited("birthday"), ["m-1"]);
    assert_eq!(bench.stage.next_wake(), None, "a replay ends");
}

/// On another partition there would be a second state of the same member.
#[test]
fn an_entry_belongs_where_its_member_does() {
    let time = at("2024-05-01 10:00");
    let of_member = decoded(registered("m-1", "r1", time));
    assert_eq!(of_member.placed_by(), Some(&b"acme\0m-1"[..]));
    assert_eq!(decoded(grant_all("b1", time)).placed_by(), None);
}

#[test]
fn states_are_read_as_saved() {
    let ledger = ledger(book(&[birthday_rules(time("08:00"))]));
    let mut bench = Bench::new(&ledger);
    bench.send(&registered("m-1", "r1", at("2024-01-01 10:00")));
    bench.send(&grant_all("b1", at("2024-01-02 10:00")));
    for key in [keys::key("acme", "m-1"), keys::broadcast_key("acme")] {
        let state = bench.stage.state(&key).unwrap();
        let saved = ledger.save(&key, state);
        assert_eq!(&ledger.load(&key, &saved.bytes).unwrap(), state);
        assert_eq!(saved.indexed, key == keys::key("acme", "m-1"));
        assert_eq!(saved.wake, ledger.wake(&key, state));
        assert!(ledger.load(&key, b"\x08\x63").is_err());
    }
}

/// What the oldest orders of a member with very many count is kept as sums of days by now.
#[test]
fn what_would_change_sums_of_days_is_refused() {
    let ledger = ledger(book(&[shop(vec![level("gold", "1000", 12)], |_| {})]));
    let to = at("2024-05-01 00:00");
    let mut member = Member::default();
    member.standing.get_or_insert_default().timeline.record.days.to = to;
    let mut state = Some(LedgerState::Member(Box::new(member)));
    let mut apply = |entry: &Entry| {
        let key = keys::ledger_key(entry);
        let (record, mut effects) = (record(entry), Effects::default());
        let turn = Turn {
            key: &key,
            state: &mut state,
            cause: Cause::Event {
                event: entry,
                record: &record,
            },
            now: entry.at.ceil_millis(),
            partition: 0,
        };
        ledger.apply(turn, &mut effects).map(|()| effects)
    };
    let fact = |counts_at: Instant| Entry {
        order_id: Some("A-1".into()),
        step: 1,
        ..entry(
            "m",
            "e",
            at("2024-06-01 00:00"),
            EntryKind::OrderFact(OrderFact {
                created_at: counts_at,
                live: true,
                steps: vec![FactStep {
                    at: counts_at,
                    amount: 5.into(),
                    goods: true,
                }],
            }),
        )
    };
    let refusal = apply(&fact(to)).unwrap_err();
    assert_eq!(refusal.code, "tier_facts_limit");
    for part in ["order A-1", "member m of shop acme", "the newest 10000 orders"] {
        assert!(refusal.detail.contains(part), "{refusal:?}");
    }
    apply(&fact(Instant(to.0 + 1))).unwrap();

    let qualify = |dated| {
        EntryKind::Command(Command::Qualify(Qualify {
            amount: Some(5.into()),
            orders: None,
            at: Some(dated),
            note: None,
            actor: None,
        }))
    };
    let set = |since| {
        EntryKind::Command(Command::TierSet(TierSet {
            tier: Some("gold".into()),
            since: Some(since),
            until: None,
            note: None,
            actor: None,
        }))
    };
    let asked_at = at("2024-06-01 00:00");
    for (id, kind, wanted) in [
        ("q1", qualify(to), "invalid"),
        ("q2", qualify(Instant(to.0 + 1)), ""),
        ("s1", set(to), "invalid"),
        ("s2", set(Instant(to.0 + 1)), "set"),
    ] {
        let told = apply(&entry("m", id, asked_at, kind)).unwrap().outputs;
        let reasons: Vec<_> = told
            .iter()
            .map(|output| match output {
                Output::Outcome(outcome) => outcome.reason.code(),
                _ => "another",
            })
            .collect();
        assert_eq!(reasons.join(" "), wanted, "{id}");
    }
}
