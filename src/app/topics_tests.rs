use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Scalar, Yaml};

use super::*;

/// Name, partitions, replicas and configuration of a topic.
type Topic = (String, i64, i64, BTreeMap<String, String>);

fn word(value: &Yaml<'_>) -> String {
    match value {
        Yaml::Value(Scalar::Integer(number)) => number.to_string(),
        other => other.as_str().expect("a text or a number").to_owned(),
    }
}

fn described(document: &Yaml<'_>) -> Topic {
    let spec = &document["spec"];
    let config = spec["config"].as_mapping().expect("a table").iter();
    (
        word(&document["metadata"]["name"]),
        spec["partitions"].as_integer().expect("a number"),
        spec["replicas"].as_integer().expect("a number"),
        config.map(|(name, value)| (word(name), word(value))).collect(),
    )
}

/// Who has topics made by Strimzi gets those that `accrual topics create` makes.
#[test]
fn the_topics_of_strimzi_are_those_that_are_created() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/strimzi/topics.yaml");
    let text = std::fs::read_to_string(path).expect("the topics");
    let documents = Yaml::load_from_str(&text).expect("YAML documents");
    let replicated = ("ACCRUAL_TOPICS__REPLICATION_FACTOR".to_owned(), "3".to_owned());
    let settings = Settings::resolve(None, [replicated], "host").expect("good settings");
    let created = wanted(&settings).into_iter().map(|Wanted { spec, initial, .. }| {
        let replicas = spec.replication.expect("it is set");
        let config = spec.config.into_iter().chain(initial).collect();
        (spec.name, spec.partitions.into(), replicas.into(), config)
    });
    let described: Vec<Topic> = documents.iter().map(described).collect();
    assert_eq!(described, created.collect::<Vec<Topic>>());
}
