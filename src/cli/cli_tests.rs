use std::path::PathBuf;

use clap::CommandFactory;

use super::*;
use crate::app::answers::{Answers, Source};
use crate::app::operations::*;
use crate::domain::ledger::redemption::Amounts;
use crate::engine::ports::TopicId;
use crate::http::views::{Member, Order, Quote};

/// Answers every command with something that repeats its arguments.
struct Fake;

fn summary(version: u32) -> RuleSummary {
    RuleSummary {
        warnings: Vec::new(),
        shop_id: "acme".to_owned(),
        version,
        effective_from: Instant(0),
        published: (version > 1).then_some(Instant(1_000_000)),
        already: version == 4,
        enabled: true,
        kept: match version {
            2 => [("labels", "{\"a\":1}"), ("accrual/x-why", "\"because\"")]
                .map(|(place, value)| (place.to_owned(), value.to_owned()))
                .into(),
            _ => Vec::new(),
        },
    }
}

impl Operations for Fake {
    fn replay(&self, replay: &Replay, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u64> {
        writeln!(out, "{:?} {:?} {:?}", replay.rules, replay.events, replay.until)?;
        let malformed = replay.events.contains(&PathBuf::from("bad"));
        if malformed {
            writeln!(err, "bad:1: not JSON")?;
        }
        Ok(u64::from(malformed))
    }

    fn run(&self, settings: Settings) -> anyhow::Result<()> {
        anyhow::bail!("cannot reach {}", settings.kafka.brokers)
    }

    fn create_topics(&self, settings: &Settings) -> anyhow::Result<Vec<TopicState>> {
        let name = settings.topics.order_events.clone();
        Ok(vec![TopicState {
            name,
            found: TopicFound::Created,
        }])
    }

    fn check_topics(&self, settings: &Settings) -> anyhow::Result<Vec<TopicState>> {
        let name = settings.topics.point_rules.clone();
        Ok(vec![TopicState {
            name,
            found: TopicFound::Missing,
        }])
    }

    fn move_topics(&self, request: &TopicMove<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let events = [request.from, request.to].map(|side| side.topics.order_events.as_str());
        writeln!(out, "{events:?} {} {}", request.follow, request.forget)?;
        Ok(())
    }

    fn accept_topic(&self, _: &Settings, topic: &str) -> anyhow::Result<Accepted> {
        Ok(Accepted {
            topic: topic.to_owned(),
            id: TopicId::new(1).expect("not zero"),
            records: 3,
        })
    }

    fn check_rules(&self, files: &[PathBuf]) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>> {
        if files[0].as_os_str() == "good.yaml" {
            return Ok(Ok(vec![summary(1)]));
        }
        Ok(Err(vec![RuleFault {
            file: files[0].display().to_string(),
            line: 7,
            field: "accrual.rate.every".to_owned(),
            what: "0 is not more than 0".to_owned(),
            remedy: "write an amount".to_owned(),
        }]))
    }

    fn publish_rules(
        &self,
        _: &Settings,
        _: &[PathBuf],
        time: Option<Instant>,
    ) -> anyhow::Result<Result<Vec<RuleSummary>, Vec<RuleFault>>> {
        Ok(Ok(vec![summary(if time.is_some() { 3 } else { 4 })]))
    }

    fn show_rules(&self, _: &Settings, shop_id: &str) -> anyhow::Result<Vec<RuleSummary>> {
        Ok(if shop_id == "acme" {
            vec![summary(1), summary(2)]
        } else {
            Vec::new()
        })
    }

    fn answers(&self, _: Source) -> anyhow::Result<Box<dyn Answers>> {
        Ok(Box::new(Fake))
    }

    fn redrive(&self, _: &Settings, letters: &Letters, _: Option<Vec<u8>>) -> anyhow::Result<Redriven> {
        let left = usize::from(letters.ids.is_empty());
        Ok(Redriven {
            sent: letters.ids.len(),
            left,
            before: 2 * left,
        })
    }
}

impl Answers for Fake {
    fn order(&self, shop_id: &str, order_id: &str) -> anyhow::Result<Option<Order>> {
        let known = ["A-1", "bare"].contains(&order_id);
        Ok(known.then(|| Order {
            shop_id: shop_id.to_owned(),
            order_id: order_id.to_owned(),
            member_id: None,
            rule_version: Some(3),
            facts: [
                ("paid", "2022-03-03T00:00:00Z"),
                ("created", "2022-03-02T00:00:00Z"),
            ]
            .into_iter()
            .filter(|(fact, _)| order_id != "bare" || *fact == "paid")
            .map(|(fact, at)| (fact.to_owned(), at.to_owned()))
            .collect(),
            told_by: [("paid", "e2"), ("created", "e1")]
                .map(|(fact, id)| (fact.to_owned(), id.to_owned()))
                .into(),
            due_at: None,
            outcome: "withheld".to_owned(),
            reason: Some("guest".to_owned()),
            points: None,
            base_amount: Some("100.00".to_owned()),
            currency: Some("TWD".to_owned()),
            why: vec!["the rule requires a login".to_owned()],
            as_of: "2022-03-04T00:00:00Z".to_owned(),
            last_change: "2022-03-01T00:00:00Z".to_owned(),
            timezone: Some("Asia/Taipei".to_owned()),
        }))
    }

    fn member(&self, shop_id: &str, member_id: &str) -> anyhow::Result<Option<Member>> {
        Ok(Some(Member {
            shop_id: shop_id.to_owned(),
            member_id: member_id.to_owned(),
            balance: 5,
            usable: 5,
            pending: 0,
            lots: Vec::new(),
            sequence: 1,
            tier: None,
            as_of: "2022-03-04T00:00:00Z".to_owned(),
            last_change: "2022-03-01T00:00:00Z".to_owned(),
            timezone: Some("Asia/Taipei".to_owned()),
        }))
    }

    fn quote(&self, _: &str, _: &str, amounts: Amounts, tier: Option<&str>) -> anyhow::Result<Quote> {
        Ok(Quote {
            points: 100,
            amount: amounts
                .payable
                .or(amounts.subtotal)
                .map(|amount| amount.to_string()),
            currency: Some("TWD".to_owned()),
            limit: tier.unwrap_or("balance").to_owned(),
            as_of: "2022-03-04T00:00:00Z".to_owned(),
            last_change: "2022-03-01T00:00:00Z".to_owned(),
            timezone: Some("Asia/Taipei".to_owned()),
        })
    }

    fn dead_letters(&self, letters: &Letters) -> anyhow::Result<Vec<Letter>> {
        Ok(vec![Letter {
            id: LetterId {
                partition: 3,
                offset: 118,
            },
            code: letters.code.clone().unwrap_or_else(|| "malformed".to_owned()),
            detail: "data.order: missing".to_owned(),
            topic: "order-events".to_owned(),
            partition: 3,
            offset: 7,
            at: Instant(0),
            key: Some(b"A-1".to_vec()),
            value: Some(b"{}".to_vec()),
            redriven: letters.code.is_some().then_some(Instant(0)),
        }])
    }
}

fn run(line: &str) -> (u8, String, String) {
    run_words(&line.split_whitespace().collect::<Vec<_>>())
}

fn run_words(words: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = std::iter::once(&"accrual").chain(words).map(OsString::from);
    let status = execute(arguments, &Fake, &mut out, &mut err);
    (
        status,
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    )
}

#[test]
fn the_tree_of_commands_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn commands_answer_with_status_and_text() {
    // A line, its exit status, all of stdout, all of stderr.
    let rows: &[(&str, u8, &str, &str)] = &[
        (
            "replay --rules r.yaml --events e",
            0,
            "[\"r.yaml\"] [\"e\"] None\n",
            "",
        ),
        (
            "replay --rules r --events bad - --until 1970-01-01T00:00:01Z",
            3,
            "[\"r\"] [\"bad\", \"-\"] Some(Instant(1000000))\n",
            "bad:1: not JSON\n1 line was malformed\n",
        ),
        ("run", 1, "", "error: cannot reach 127.0.0.1:9092\n"),
        ("topics create", 0, "order-events: created\n", ""),
        (
            "topics accept order-events",
            0,
            "order-events: accepted with id AAAAAAAAAAAAAAAAAAAAAQ; 3 records are read from its beginning when accrual starts\n",
            "",
        ),
        (
            "topics check",
            1,
            "point-rules: missing; run `accrual topics create`\n",
            "",
        ),
        (
            "topics move --from deploy/accrual.toml --follow",
            0,
            "[\"order-events\", \"order-events\"] true false\n",
            "",
        ),
        ("rules check good.yaml", 0, "acme version 1 is good\n", ""),
        (
            "rules check bad.yaml",
            1,
            "",
            "bad.yaml:7: accrual.rate.every: 0 is not more than 0; write an amount\n",
        ),
        (
            "rules publish a.yaml",
            0,
            "acme version 4 is published already\n",
            "",
        ),
        (
            "rules publish a.yaml --time 2022-01-01T00:00:00Z",
            0,
            "acme version 3 is published\n",
            "",
        ),
        (
            "rules show acme",
            0,
            "version\teffective_from\tpublished\tenabled\tlabels\n\
             1\t1970-01-01T00:00:00Z\t-\ttrue\t-\n\
             2\t1970-01-01T00:00:00Z\t1970-01-01T00:00:01Z\ttrue\t{\"a\":1} accrual/x-why=\"because\"\n",
            "",
        ),
        ("rules show zzz", 1, "shop zzz has no published rules\n", ""),
        (
            "explain order acme A-1",
            0,
            "Order A-1 of shop acme, by a guest, as of 2022-03-04T08:00:00+08:00\n  bound to rule version 3\n  \
             created at 2022-03-02T08:00:00+08:00, by event e1\n  \
             paid at 2022-03-03T08:00:00+08:00, by event e2\n  earns on 100.00 TWD\n  \
             withheld (guest)\n  the rule requires a login\n",
            "",
        ),
        (
            "explain order acme bare",
            0,
            "Order bare of shop acme, by a customer who is not known yet, as of 2022-03-04T08:00:00+08:00\n  \
             bound to rule version 3\n  paid at 2022-03-03T08:00:00+08:00, by event e2\n  earns on 100.00 TWD\n  \
             withheld (guest)\n  the rule requires a login\n",
            "",
        ),
        (
            "explain order acme A-2",
            1,
            "order A-2 of shop acme is not known\n",
            "",
        ),
        (
            "explain member acme m-1",
            0,
            "Member m-1 of shop acme, as of 2022-03-04T08:00:00+08:00\n  balance 5, usable 5, pending 0, after 1 changes\n",
            "",
        ),
        (
            "quote acme m-1 --subtotal 1.50 --tier gold",
            0,
            "100 points, worth 1.50 TWD (decided by gold), as of 2022-03-04T08:00:00+08:00\n",
            "",
        ),
        (
            "dead-letters list --code too_large",
            0,
            "id\tat\tredriven\tcode\tread_at\tkey\tdetail\n\
             3:118\t1970-01-01T00:00:00Z\t1970-01-01T00:00:00Z\ttoo_large\torder-events:3:7\tA-1\tdata.order: missing\n",
            "",
        ),
        (
            "dead-letters list --json",
            0,
            "{\"id\":\"3:118\",\"at\":\"1970-01-01T00:00:00Z\",\"redriven_at\":null,\"code\":\"malformed\",\
             \"topic\":\"order-events\",\"partition\":3,\"offset\":7,\"key\":\"A-1\",\
             \"detail\":\"data.order: missing\"}\n",
            "",
        ),
        ("dead-letters list 3:118 --value", 0, "{}\n", ""),
        (
            "dead-letters list 3:118 4:0 4:1 --value",
            1,
            "{}\n",
            "error: not among the dead letters: 4:0, 4:1\n",
        ),
        ("dead-letters list 3:118 4:0 --value --limit 1", 0, "{}\n", ""),
        ("dead-letters redrive 3:118 4:0", 0, "2 sent back\n", ""),
        (
            "dead-letters redrive --all",
            0,
            "0 sent back\n2 were sent back before; name them to send them again\n1 states of timers stay: they were read from no topic\n",
            "",
        ),
    ];
    for (line, status, out, err) in rows {
        assert_eq!(
            run(line),
            (*status, (*out).to_owned(), (*err).to_owned()),
            "{line}"
        );
    }
}

/// An id, a code or a file name of this kind would colour the terminal and begin a line.
const HOSTILE: &str = "x\u{1b}[31mX\nFAKE";

#[test]
fn text_of_strangers_neither_colours_nor_begins_a_line() {
    let rows: &[(&[&str], usize)] = &[
        (&["explain", "order", HOSTILE, "A-1"], 7),
        (&["explain", "order", "acme", HOSTILE], 1),
        (&["explain", "member", "acme", HOSTILE], 2),
        (&["explain", "member", "acme", HOSTILE, "--json"], 1),
        (&["quote", "acme", "m-1", "--subtotal", "1", "--tier", HOSTILE], 1),
        (&["rules", "show", HOSTILE], 1),
        (&["rules", "check", HOSTILE], 1),
        (&["dead-letters", "list", "--code", HOSTILE], 2),
    ];
    for (words, lines) in rows {
        let (_, out, err) = run_words(words);
        let printed = out + &err;
        assert_eq!(printed.lines().count(), *lines, "{printed}");
        assert!(!printed.contains('\u{1b}'), "{printed}");
        assert!(printed.contains("FAKE"), "{words:?} shows it: {printed}");
    }
    // Errors may have several lines, but no colours.
    for words in [["rules", "diff", HOSTILE, "y"], ["explain", HOSTILE, "a", "b"]] {
        let (_, _, err) = run_words(&words);
        assert!(err.contains("FAKE") && !err.contains('\u{1b}'), "{err}");
    }
}

#[test]
fn usage_errors_exit_2() {
    for line in [
        "",
        "fly",
        "replay",
        "replay --rules r",
        "replay --rules r --events e --until today",
        "topics",
        "topics move",
        "rules check",
        "explain order acme",
        "quote acme m-1",
        "quote acme m-1 --subtotal=-1",
        "quote acme m-1 --subtotal 1_000",
        "quote acme m-1 --subtotal +5.",
        "dead-letters redrive",
        "dead-letters redrive --all 1:1",
        "dead-letters redrive x",
        "dead-letters redrive --all --with f",
        "dead-letters redrive 1:1 2:2 --with f",
        "replay --rules - --events -",
        "completions csh",
        "man fly",
    ] {
        let (status, out, err) = run(line);
        assert_eq!(
            (status, out.as_str(), err.is_empty()),
            (2, "", false),
            "{line}: {err}"
        );
    }
}

#[test]
fn help_and_version_exit_0() {
    for (line, part) in [
        ("--help", "Usage: accrual"),
        ("--version", "accrual 0."),
        ("replay --help", "zcat events.jsonl.gz"),
        ("rules --help", "accrual rules publish"),
        ("dead-letters redrive --help", "--with <FILE>"),
        ("completions bash", "accrual__subcmd__dead__subcmd__letters"),
        ("completions fish", "__fish_accrual"),
        ("man", "dead\\-letters"),
        ("man dead-letters list", "\\-\\-token\\-file"),
    ] {
        let (status, out, err) = run(line);
        assert_eq!((status, err.as_str()), (0, ""), "{line}");
        assert!(out.contains(part), "{line}: {out}");
    }
}
