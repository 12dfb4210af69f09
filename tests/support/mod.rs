//! What the integration tests share. Each of them uses a part.
#![allow(dead_code)]

pub mod accrual;
pub mod acls;
pub mod deployment;
pub mod http;
pub mod outputs;
pub mod scenario;
pub mod schemas;
pub mod servers;
pub mod stream;
pub mod topics;
