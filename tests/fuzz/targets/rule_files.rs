#![no_main]

mod input;
mod shop;

libfuzzer_sys::fuzz_target!(|text: &str| input::rule_file(text));
