use super::*;

const FILE: &str = "accrual.toml";
const HOST: &str = "host-1";

fn resolve(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let file = File { name: FILE, text };
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::resolve(Some(file), variables, HOST).map_err(|error| match error {
        Error::Wrong(problems) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other}"),
    })
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = Settings::resolve(None, [], HOST).unwrap();
    assert_eq!(settings.kafka.brokers, "127.0.0.1:9092");
    assert_eq!(settings.redis.urls[0].expose(), "redis://127.0.0.1:6379");
    assert_eq!(
        (settings.application_id.as_str(), settings.instance_id.as_str()),
        ("accrual", HOST)
    );
    let retention = settings.retention;
    assert_eq!((retention.orders_days, retention.command_ids_days), (0, 90));
    assert_eq!(settings.stages, [Stage::Orders, Stage::Commands, Stage::Ledger]);
    let topics = &settings.topics;
    assert_eq!(topics.dead_letters, "accrual-dead-letters");
    assert_eq!((topics.partitions, topics.replication_factor), (12, None));
    assert_eq!(topics.partitioner, Partitioner::Murmur2);
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.clock, ClockKind::System);
    assert_eq!(settings.limits, Limits::default());
}

/// A file, variables, what is looked at, and what it must be.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    fn(&Settings) -> String,
    &'static str,
);

#[test]
fn files_and_variables_are_read() {
    let rows: &[Row] = &[
        (
            "kafka.brokers = 'a:1,b:2'",
            &[],
            |s| s.kafka.brokers.clone(),
            "a:1,b:2",
        ),
        (
            "kafka.brokers = ['a:1', 'b:2']",
            &[],
            |s| s.kafka.brokers.clone(),
            "a:1,b:2",
        ),
        (
            "[kafka]\nbrokers = 'a:1'",
            &[("ACCRUAL_KAFKA__BROKERS", "b:2")],
            |s| s.kafka.brokers.clone(),
            "b:2",
        ),
        (
            "[kafka.properties]\n'security.protocol' = 'SASL_PLAINTEXT'\nsasl.mechanism = 'PLAIN'\nsasl.username = 'bob'\n'fetch.min.bytes' = 1",
            &[
                ("ACCRUAL_KAFKA__PROPERTIES__SASL_MECHANISM", "PLAIN"),
                ("ACCRUAL_KAFKA__PROPERTIES__SASL_PASSWORD", "pa_ss"),
            ],
            |s| format!("{:?}", s.kafka.properties.expose().collect::<Vec<_>>()),
            "[(\"fetch.min.bytes\", \"1\"), (\"sasl.mechanism\", \"PLAIN\"), \
             (\"sasl.password\", \"pa_ss\"), (\"sasl.username\", \"bob\"), (\"security.protocol\", \"SASL_PLAINTEXT\")]",
        ),
        (
            "redis.url = ['redis://a:1', 'redis://b:2']",
            &[],
            |s| format!("{:?}", s.redis.urls),
            "[redis://a:1/0, redis://b:2/0]",
        ),
        (
            "",
            &[("ACCRUAL_REDIS__URL", "redis://:p@a:1, redis://b:2")],
            |s| format!("{:?}", s.redis.urls),
            "[redis://a:1/0, redis://b:2/0]",
        ),
        (
            "stages = ['ledger', 'orders']",
            &[],
            |s| format!("{:?}", s.stages),
            "[Orders, Ledger]",
        ),
        (
            "",
            &[("ACCRUAL_STAGES", "commands,commands")],
            |s| format!("{:?}", s.stages),
            "[Commands]",
        ),
        (
            "[retention]\norders_days = 30",
            &[("ACCRUAL_RETENTION__COMMAND_IDS_DAYS", "7")],
            |s| format!("{:?}", s.retention),
            "Retention { orders_days: 30, command_ids_days: 7, tier_facts_months: 36, outputs_days: 30 }",
        ),
        (
            "[topics]\npoints_issued = 'points'\npoints_expired = 'points'\nreplication_factor = 3",
            &[
                ("ACCRUAL_TOPICS__PARTITIONER", "any"),
                ("ACCRUAL_TOPICS__PARTITIONS", "4"),
            ],
            |s| {
                let t = &s.topics;
                format!(
                    "{} {} {:?} {:?}",
                    t.points_expired, t.partitions, t.replication_factor, t.partitioner
                )
            },
            "points 4 Some(3) Any",
        ),
        (
            "http.listen = '0.0.0.0:80'",
            &[("ACCRUAL_HTTP__TOKEN", "0123456789abcdef")],
            |s| format!("{:?}", s.http),
            "Http { listen: 0.0.0.0:80, token: Some([redacted]), connections_per_peer: 64 }",
        ),
        (
            "clock = 'manual'",
            &[("ACCRUAL_LOG", "debug")],
            |s| format!("{:?}", s.clock),
            "Manual",
        ),
        ("limits.lanes = 4", &[], |s| s.limits.lanes.to_string(), "4"),
    ];
    for (text, variables, shown, wanted) in rows {
        let settings = resolve(text, variables).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        assert_eq!(shown(&settings), *wanted, "{text} {variables:?}");
    }
}

/// A file, variables, and how each line of the refusal begins.
type WrongRow = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

#[test]
fn wrong_settings_are_refused_with_place_and_remedy() {
    let rows: &[WrongRow] = &[
        (
            "\n[kafka]\nbroker = 'a:1'",
            &[],
            &["accrual.toml:3: kafka.broker: unknown setting; did you mean kafka.brokers?"],
        ),
        (
            "kafka = 'a:1'",
            &[],
            &["accrual.toml:1: kafka: unknown setting; it is a table of brokers, properties"],
        ),
        (
            "",
            &[("ACCRUAL_KAFKA_BROKERS", "a:1")],
            &["ACCRUAL_KAFKA_BROKERS: kafka_brokers: unknown setting; did you mean ACCRUAL_KAFKA__BROKERS?"],
        ),
        (
            "",
            &[("ACCRUAL_SERVICE_HOST", "10.0.0.1")],
            &[
                "ACCRUAL_SERVICE_HOST: service_host: unknown setting; unset it (in Kubernetes: `enableServiceLinks: false`)",
            ],
        ),
        (
            "nonsense = 1",
            &[],
            &["accrual.toml:1: nonsense: unknown setting; remove it"],
        ),
        (
            "kafka.brokers = 'a'",
            &[],
            &["accrual.toml:1: kafka.brokers: \"a\" cannot be used; write \"host:port\""],
        ),
        (
            "kafka.brokers = []",
            &[],
            &["accrual.toml:1: kafka.brokers: this list cannot be used; "],
        ),
        (
            "[kafka.properties]\n'group.id' = 'x'",
            &[],
            &["accrual.toml:2: kafka.properties.group.id: may not be set; set application_id"],
        ),
        (
            "kafka.properties.'sasl.password' = ['s3cret']",
            &[],
            &[
                "accrual.toml:1: kafka.properties.sasl.password: cannot be used (value not shown); write a text",
            ],
        ),
        (
            "[kafka.properties]\n'message.max.bytes' = 5\n'batch.size' = 5",
            &[],
            &[
                "accrual.toml:2: kafka.properties.message.max.bytes: may not be set; leave it out",
                "accrual.toml:3: kafka.properties.batch.size: may not be set; leave it out",
            ],
        ),
        (
            "[kafka.properties]\n'fetch.min.bytes' = 0\n'sasl.pasword' = 's3cret'",
            &[("ACCRUAL_KAFKA__PROPERTIES__SECURITY_PROTOCOL", "s3cret")],
            &[
                "accrual.toml:2: kafka.properties.fetch.min.bytes: cannot be used (value not shown); write a number in 1..",
                "accrual.toml:3: kafka.properties.sasl.pasword: is no property of librdkafka; did you mean sasl.password?",
                "ACCRUAL_KAFKA__PROPERTIES__SECURITY_PROTOCOL: kafka.properties.security.protocol: cannot be used (value",
            ],
        ),
        (
            "",
            &[
                ("ACCRUAL_KAFKA__PROPERTIES__SECURITY_PROTOCOL", "sasl_plaintext"),
                ("ACCRUAL_KAFKA__PROPERTIES__SASL_MECHANISM", "PLAIN"),
            ],
            &["default: kafka.properties: no client can be made with it; librdkafka says: "],
        ),
        (
            "topics.partitions = '12'",
            &[],
            &[
                "accrual.toml:1: topics.partitions: \"12\" cannot be used; write a whole number from 1 to 10000",
            ],
        ),
        (
            "",
            &[("ACCRUAL_TOPICS__PARTITIONS", "0")],
            &[
                "ACCRUAL_TOPICS__PARTITIONS: topics.partitions: \"0\" cannot be used; write a whole number from 1 to",
            ],
        ),
        (
            "retention.orders_days = 1.5",
            &[],
            &["accrual.toml:1: retention.orders_days: float cannot be used; write a whole number from 0 to"],
        ),
        (
            "topics.point_rules = 'order-events'",
            &[],
            &[
                "accrual.toml:1: topics.point_rules: \"order-events\" is the name of topics.order_events too; give",
            ],
        ),
        (
            "topics.order_events = 'point-rules'",
            &[],
            &[
                "accrual.toml:1: topics.order_events: \"point-rules\" is the name of topics.point_rules too; give",
            ],
        ),
        (
            "redis.url = 's3cret'",
            &[],
            &["accrual.toml:1: redis.url: cannot be used (value not shown); write"],
        ),
        (
            "redis.url = ['redis://a/1', 'redis://b']",
            &[],
            &["accrual.toml:1: redis.url: a Cluster has no databases; leave the database number out"],
        ),
        (
            "http.listen = '0.0.0.0:80'",
            &[],
            &[
                "accrual.toml:1: http.listen: 0.0.0.0:80 can be reached from other machines and there is no http.token",
            ],
        ),
        (
            "http.token = 's3cret'",
            &[],
            &["accrual.toml:1: http.token: cannot be used (value not shown); write at least"],
        ),
        (
            "clock = 'Manual'",
            &[],
            &["accrual.toml:1: clock: \"Manual\" cannot be used; write one of \"system\", \"manual\""],
        ),
        (
            "stages = 'orders,ladger'",
            &[],
            &["accrual.toml:1: stages: \"orders,ladger\" cannot be used; write some of"],
        ),
        (
            "application_id = 'a b'",
            &[],
            &["accrual.toml:1: application_id: \"a b\" cannot be used; write 1 to 100"],
        ),
        ("http.token = \"s3cret", &[], &["accrual.toml:1: syntax: "]),
        (
            "clock = 1\nstages = 2",
            &[("ACCRUAL_HTTP__LISTEN", "x")],
            &[
                "accrual.toml:1: clock: ",
                "accrual.toml:2: stages: ",
                "ACCRUAL_HTTP__LISTEN: http.listen: ",
            ],
        ),
    ];
    for (text, variables, wanted) in rows {
        let Err(problems) = resolve(text, variables) else {
            panic!("not refused: {text} {variables:?}");
        };
        assert_eq!(
            problems.len(),
            wanted.len(),
            "{text} {variables:?}: {problems:#?}"
        );
        for (problem, wanted) in problems.iter().zip(*wanted) {
            assert!(
                problem.starts_with(wanted),
                "{text}: {problem:?}, wanted {wanted:?}"
            );
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}

#[test]
fn a_host_name_that_cannot_be_an_id_is_refused() {
    let Err(Error::Wrong(problems)) = Settings::resolve(None, [], "my host") else {
        panic!("not refused");
    };
    assert_eq!(problems[0].name, "instance_id");
}

#[test]
fn debug_shows_no_secret() {
    let text = "redis.url = 'redis://u:s3cret@h'\nhttp.token = 's3cret-s3cret-s3cret'\n\
                [kafka.properties]\nsasl.password = 's3cret'\nsasl.username = 'bob'";
    let mut settings = resolve(text, &[]).unwrap();
    // Not in every build of librdkafka.
    for name in [
        "ssl.key.password",
        "ssl.key.pem",
        "sasl.oauthbearer.client.secret",
    ] {
        settings
            .kafka
            .properties
            .insert(name.to_owned(), "s3cret".to_owned());
    }
    let shown = format!("{settings:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
    assert!(shown.contains("bob"), "{shown}");
}

#[test]
fn the_sample_shows_the_defaults() {
    let sample = include_str!("../../deploy/accrual.toml");
    let shown: String = sample
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .filter(|line| {
            !line.starts_with("instance_id") && !line.starts_with('"') && !line.starts_with("repl")
        })
        .collect();
    assert_eq!(
        resolve(&shown, &[]).unwrap(),
        Settings::resolve(None, [], HOST).unwrap()
    );
}
