//! `dunlin pub`, `dunlin sub` and `dunlin rr`, as a user runs them.

mod certificates;
mod harness;
mod publish;
mod refusal;
mod replay;
mod request;
mod subscribe;
