//! A rule file: what is good is written and read back, what is wrong has a line and a remedy.

#![no_main]

use accrual::wire::rule_document;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for document in rule_document::read_yaml(text) {
        match document.read {
            Ok(rules) => {
                let json = serde_json::from_str(&rule_document::to_json(&rules)).expect("JSON");
                assert_eq!(rule_document::read_json(&json).as_ref(), Ok(&rules));
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                assert!(errors.iter().all(|error| error.line > 0 && !error.remedy.is_empty()));
            }
        }
    }
});
