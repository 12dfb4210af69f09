//! What the integration tests share. Each of them uses a part.
#![allow(dead_code, unused_imports)]

pub mod servers;
