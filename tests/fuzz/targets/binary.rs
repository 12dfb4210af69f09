//! One record in binary mode: lines of `name: value` are headers, up to an empty line; the rest
//! is the value.

#![no_main]

mod shop;

use accrual::engine::ports::{Header, Record};
use libfuzzer_sys::fuzz_target;
use shop::{Shop, Stages};

fuzz_target!(|input: &[u8]| {
    let end = input.windows(2).position(|two| two == b"\n\n");
    let (head, value) = end.map_or((input, &[][..]), |at| (&input[..at], &input[at + 2..]));
    let headers = head.split(|byte| *byte == b'\n').filter_map(header).collect();
    let record = Record {
        partition: 0,
        offset: 0,
        timestamp: None,
        key: None,
        value: Some(value.to_vec().into()),
        headers,
    };
    let stages = Stages::new();
    let mut shop = Shop::new(&stages);
    shop.take(&record, 1_700_000_000_000);
    shop.fire(None);
});

fn header(line: &[u8]) -> Option<Header> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    Some((name.into(), Some(line[colon + 1..].trim_ascii_start().to_vec().into())))
}
