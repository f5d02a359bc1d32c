//! What each fuzz target checks, apart from the fuzzer: so that the tests of the workspace can replay the corpus.

pub mod operations;
pub mod packet_bytes;
pub mod proxy_header;
pub mod websocket;
