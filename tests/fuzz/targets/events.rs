//! A story of events, one a line, as `accrual replay` reads them: orders, commands and rules.

#![no_main]

mod shop;

use accrual::engine::ports::Record;
use accrual::wire::envelope;
use libfuzzer_sys::fuzz_target;
use shop::{Shop, Stages};

fuzz_target!(|story: &[u8]| {
    let stages = Stages::new();
    let mut shop = Shop::new(&stages);
    for line in story.split(|byte| *byte == b'\n').take(20) {
        let record = Record {
            partition: 0,
            offset: 0,
            timestamp: None,
            key: None,
            value: Some(line.to_vec().into()),
            headers: Vec::new(),
        };
        if let Ok(event) = envelope::read(Some(line), [].into_iter()) {
            shop.take(&record, event.time.floor_millis());
        }
    }
    shop.fire(None);
});
