//! The settings as they were written: a file's keys and the environment's, each with its source.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Source};

/// Every variable of ours begins so.
pub const ENV_PREFIX: &str = "ACCRUAL_";
/// Read by the logging alone, before there are settings.
pub const LOG_VARIABLE: &str = "ACCRUAL_LOG";
/// For commands that ask a running instance.
pub const URL_VARIABLE: &str = "ACCRUAL_URL";
pub const TOKEN_VARIABLE: &str = "ACCRUAL_TOKEN";
/// Variables that set nothing of the processor.
const NO_SETTINGS: [&str; 3] = [LOG_VARIABLE, URL_VARIABLE, TOKEN_VARIABLE];
/// The table whose keys are librdkafka's.
pub const PROPERTIES: &str = "kafka.properties.";

/// A value before anybody asked for its type. Variables are always `Text`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Value>),
    /// Something no setting takes, by its TOML name.
    Other(&'static str),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub value: Value,
    pub source: Source,
}

/// A configuration file, read but not parsed.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// As the user named it.
    pub name: &'a str,
    pub text: &'a str,
}

/// All entries by dotted path. A variable has replaced the file's entry of its path.
pub fn read(
    file: Option<File<'_>>,
    environment: impl IntoIterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Entry> {
    let mut entries = BTreeMap::new();
    if let Some(file) = file {
        read_file(file, &mut entries, problems);
    }
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(ENV_PREFIX) && !NO_SETTINGS.contains(&name.as_str()))
        .collect();
    variables.sort();
    for (name, text) in variables {
        let entry = Entry {
            value: Value::Text(text),
            source: Source::Variable(name.clone()),
        };
        entries.insert(path_of(&name), entry);
    }
    entries
}

/// The path that a variable sets.
fn path_of(variable: &str) -> String {
    let path = variable[ENV_PREFIX.len()..]
        .to_ascii_lowercase()
        .replace("__", ".");
    match path.strip_prefix(PROPERTIES) {
        Some(property) => format!("{PROPERTIES}{}", property.replace('_', ".")),
        None => path,
    }
}

/// The variable that sets a path.
pub fn variable_of(path: &str) -> String {
    let path = match path.strip_prefix(PROPERTIES) {
        Some(property) => format!("kafka__properties__{}", property.replace('.', "_")),
        None => path.replace('.', "__"),
    };
    format!("{ENV_PREFIX}{}", path.to_ascii_uppercase())
}

/// Whether a variable says which topics or which application: what the two sides of a move differ in.
pub fn names_a_side(variable: &str) -> bool {
    variable == "ACCRUAL_APPLICATION_ID" || variable.starts_with("ACCRUAL_TOPICS__")
}

fn read_file(file: File<'_>, entries: &mut BTreeMap<String, Entry>, problems: &mut Vec<Problem>) {
    match DeTable::parse(file.text) {
        Ok(table) => flatten(file, "", table.get_ref(), entries),
        // The error's own display quotes the line, and with it perhaps a password.
        Err(error) => problems.push(Problem {
            source: source(file, error.span().map_or(0, |span| span.start)),
            name: "syntax".to_owned(),
            what: error.message().lines().next().unwrap_or("not TOML").to_owned(),
            remedy: "write TOML: `[section]`, `key = \"text\"`, `key = 12`".to_owned(),
        }),
    }
}

fn flatten(file: File<'_>, prefix: &str, table: &DeTable<'_>, entries: &mut BTreeMap<String, Entry>) {
    for (key, value) in table {
        let path = format!("{prefix}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => flatten(file, &format!("{path}."), inner, entries),
            other => {
                let entry = Entry {
                    value: value_of(other),
                    source: source(file, key.span().start),
                };
                entries.insert(path, entry);
            }
        }
    }
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("integer beyond 64 bits"), Value::Integer),
        DeValue::Array(items) => Value::List(items.iter().map(Spanned::get_ref).map(value_of).collect()),
        other => Value::Other(other.type_str()),
    }
}

fn source(file: File<'_>, at: usize) -> Source {
    let before = file.text.as_bytes().get(..at).unwrap_or_default();
    Source::File {
        name: file.name.to_owned(),
        line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_paths_name_each_other() {
        for (variable, path) in [
            ("ACCRUAL_CLOCK", "clock"),
            ("ACCRUAL_KAFKA__BROKERS", "kafka.brokers"),
            (
                "ACCRUAL_RETENTION__COMMAND_IDS_DAYS",
                "retention.command_ids_days",
            ),
            (
                "ACCRUAL_KAFKA__PROPERTIES__SASL_MECHANISM",
                "kafka.properties.sasl.mechanism",
            ),
        ] {
            assert_eq!(path_of(variable), path);
            assert_eq!(variable_of(path), variable);
        }
    }

    #[test]
    fn what_two_sides_of_a_move_differ_in_is_not_shared() {
        for (variable, differs) in [
            ("ACCRUAL_APPLICATION_ID", true),
            ("ACCRUAL_TOPICS__ORDER_EVENTS", true),
            ("ACCRUAL_TOPICS__PARTITIONER", true),
            ("ACCRUAL_KAFKA__BROKERS", false),
            ("ACCRUAL_KAFKA__PROPERTIES__SASL_PASSWORD", false),
            ("ACCRUAL_REDIS__URL", false),
        ] {
            assert_eq!(names_a_side(variable), differs, "{variable}");
        }
    }
}
