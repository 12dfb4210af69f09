#![no_main]

mod input;
mod shop;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::events(bytes));
