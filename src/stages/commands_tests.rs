use super::*;
use crate::domain::entry::{Command, EntryKind};
use crate::engine::embedded::Embedded;
use crate::engine::ports::OutRecord;
use crate::wire::ledger_entry;

fn commands() -> Commands {
    let topics = Topics {
        issued: "issued".into(),
        expired: "expired".into(),
        events: "events".into(),
        entries: "entries".into(),
    };
    Commands::new(topics, 3)
}

fn record(kind: &str, data: &str) -> Record {
    let value = format!(
        r#"{{"specversion":"1.0","id":"c1","source":"/s","type":"{kind}","time":"2024-05-01T10:00:00Z","data":{data}}}"#
    );
    Record {
        partition: 0,
        offset: 0,
        timestamp: None,
        key: None,
        value: Some(value.into()),
        headers: Vec::new(),
    }
}

fn sent(kind: &str, data: &str) -> Vec<OutRecord> {
    let commands = commands();
    let record = record(kind, data);
    let decoded = commands.decode(&record).unwrap();
    let sent = Embedded::new(&commands)
        .event(&decoded, &record, 1_800_000_000_000)
        .unwrap();
    sent.into_iter().map(|output| commands.encode(output)).collect()
}

#[test]
fn a_command_goes_to_its_member_with_its_arrival() {
    let out = sent(
        "points.grant",
        r#"{"shop_id":"acme","member_id":"m-1","points":5,"reason":"r"}"#,
    );
    assert_eq!(out.len(), 1);
    assert_eq!((&*out[0].topic, out[0].partition), ("entries", None));
    assert_eq!(out[0].key.as_deref(), Some(&b"acme\0m-1"[..]));
    let entry = ledger_entry::decode(out[0].value.as_deref().unwrap()).unwrap();
    assert_eq!(entry.at, Instant::from_millis(1_800_000_000_000));
    assert_eq!(
        entry.effective_at,
        Instant::parse("2024-05-01T10:00:00Z").unwrap()
    );
}

#[test]
fn a_broadcast_goes_to_every_partition_whether_it_can_be_carried_out_or_not() {
    for points in [5, 0] {
        let data = format!(r#"{{"shop_id":"acme","points":{points},"reason":"r"}}"#);
        let out = sent("points.grant_all", &data);
        let partitions: Vec<_> = out.iter().map(|out| out.partition).collect();
        assert_eq!(partitions, [Some(0), Some(1), Some(2)]);
        let of_the_shop =
            |out: &OutRecord| (&*out.topic, out.key.as_deref()) == ("entries", Some(&b"acme\0\0"[..]));
        assert!(out.iter().all(of_the_shop));
    }
}

#[test]
fn what_cannot_be_carried_out_is_answered_by_the_ledger() {
    let out = sent(
        "points.grant",
        r#"{"shop_id":"acme","member_id":"m-1","points":0,"reason":"r"}"#,
    );
    let entry = ledger_entry::decode(out[0].value.as_deref().unwrap()).unwrap();
    assert!(matches!(entry.kind, EntryKind::Command(Command::Invalid(_))));
}

#[test]
fn placement_is_by_member_or_shop() {
    let placed_by = |kind, data| {
        let decoded = commands().decode(&record(kind, data)).unwrap();
        String::from_utf8(decoded.placed_by().unwrap().to_vec()).unwrap()
    };
    let data = r#"{"shop_id":"acme","member_id":"m-1"}"#;
    assert_eq!(placed_by("points.redeem", data), "m-1");
    assert_eq!(placed_by("points.grant_all", data), "acme");
    let refused = commands().decode(&record("points.grant", "{}")).unwrap_err();
    assert_eq!(refused, Refusal::new("malformed", "data.shop_id: missing"));
}
